//! The commands as a person types them.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use image::{GrayImage, RgbImage};
use safetensors::SafeTensors;
use tempfile::tempdir;
use vgg_wgpu::data::mnist;

use crate::support::{
    command::{fail, run, succeed, text, vgg},
    synthetic::{DIGITS, digits},
};

/// A network so narrow that a few steps and an evaluation take seconds.
const TINY: [&str; 10] =
    ["--device", "cpu", "--recipe", "quick", "--width", "0.0625", "--hidden", "16", "--lr", "0.002"];

fn tiny<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ["train"].into_iter().chain(TINY).chain(more.iter().copied()).collect()
}

fn column(csv: &str, name: &str) -> f64 {
    let mut lines = csv.lines().map(|line| line.split(','));
    let index = lines.next().unwrap().position(|head| head == name).unwrap();
    lines.next_back().unwrap().nth(index).unwrap().parse().unwrap()
}

#[test]
fn help_is_there_and_wrong_words_are_usage_errors() {
    let folder = tempdir().unwrap();
    let overview = text(&succeed(folder.path(), &["--help"]).stdout);
    let (_, list) = overview.split_once("\nTrain:\n").expect("a list of commands");
    let (list, _) = list.split_once("\nOptions:\n").expect("an end of it");
    let commands: Vec<&str> =
        list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    let commands = commands.into_iter().filter(|command| !command.is_empty() && *command != "help");
    assert!(commands.clone().count() >= 13, "{overview}");
    for command in commands {
        let help = text(&succeed(folder.path(), &[command, "--help"]).stdout);
        assert!(help.contains("Usage: vgg"), "{command}: {help}");
    }
    fail(folder.path(), &["trian"], 2, &["trian", "train"]);
    fail(folder.path(), &["train", "--epoch", "3"], 2, &["--epoch", "--epochs"]);
    fail(folder.path(), &["predict"], 2, &["IMAGE"]);
}

/// The CPU's instruction set can be chosen, among those that it has.
#[test]
fn the_instruction_set_is_listed_and_can_be_named() {
    let folder = tempdir().unwrap();
    let on = |set: &str| vgg(folder.path(), &["devices"]).env("VGG_SIMD", set).output().unwrap();
    for set in vgg_wgpu::cpu::instruction_sets() {
        let list = text(&on(set).stdout);
        assert!(list.contains(&format!("{set}, f32")), "{set}: {list}");
    }
    let output = on("mmx");
    assert_eq!(output.status.code(), Some(2));
    let stderr = text(&output.stderr);
    assert!(stderr.starts_with("error: VGG_SIMD is \"mmx\", but this machine runs"), "{stderr}");
    assert!(stderr.contains("scalar; set it to one of these, or unset it"), "{stderr}");
}

#[test]
fn summary_counts_what_the_paper_miscounts() {
    let folder = tempdir().unwrap();
    let summary = text(&succeed(folder.path(), &["summary"]).stdout);
    assert!(
        summary.contains("134,308,810") && summary.contains("~9M") && summary.contains("[512, 14, 14]"),
        "{summary}"
    );
    // It needs no device, so its default depends on none.
    let help = text(&succeed(folder.path(), &["summary", "--help"]).stdout);
    assert!(["paper's; default", "--widths"].iter().all(|part| help.contains(part)), "{help}");
    assert!(["hardware", "--lr-scheduler"].iter().all(|part| !help.contains(part)), "{help}");
    for (flags, parameters) in [(["--recipe", "quick"], "1,256,442"), (["--channels", "3"], "134,309,962")] {
        let shown = succeed(folder.path(), &["summary", flags[0], flags[1]]);
        assert!(text(&shown.stdout).contains(parameters));
    }
}

#[test]
fn a_run_leaves_its_files_and_its_weights_classify() {
    let folder = tempdir().unwrap();
    succeed(folder.path(), &tiny(&["--steps", "25", "--output-dir", "run"]));
    let run_folder = folder.path().join("run");
    let mut names: Vec<String> =
        fs::read_dir(&run_folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    // Windows keeps the file of a lock that has ended.
    names.retain(|name| cfg!(unix) || name != ".lock");
    names.sort();
    let expected = [
        "best.safetensors",
        "checkpoint.safetensors",
        "config.toml",
        "curves.svg",
        "metrics.csv",
        "report.html",
        "steps.csv",
    ];
    assert_eq!(names, expected);
    let csv = fs::read_to_string(run_folder.join("metrics.csv")).unwrap();
    assert_eq!(column(&csv, "step"), 25.0);

    // eval --json prints one object and nothing else, and agrees with the run.
    let weights = "run/best.safetensors";
    let output = succeed(folder.path(), &["eval", "--weights", weights, "--device", "cpu", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["accuracy"].as_f64().unwrap(), column(&csv, "test_accuracy"));
    assert!((json["loss"].as_f64().unwrap() - column(&csv, "test_loss")).abs() < 1e-4);
    let counted: u64 = json["confusion"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row.as_array().unwrap())
        .map(|c| c.as_u64().unwrap())
        .sum();
    assert_eq!(counted, 10_000);
    assert!(!run_folder.join("confusion.svg").exists());

    // As text it shows the matrix and writes the picture.
    let output = succeed(folder.path(), &["-q", "eval", "--weights", weights, "--device", "cpu"]);
    let shown = text(&output.stdout);
    assert!(shown.contains("test accuracy") && shown.contains("recall"), "{shown}");
    assert_eq!(text(&output.stderr), "");
    assert!(fs::read_to_string(run_folder.join("confusion.svg")).unwrap().starts_with("<svg"));

    predictions(folder.path(), weights);
}

/// Any size and colour; the ink is detected and stated, or forced.
fn predictions(folder: &Path, weights: &str) {
    let test = mnist::builtin().unwrap().test;
    let digit = GrayImage::from_raw(28, 28, test.image(0).unwrap()).unwrap();
    digit.save(folder.join("digit.png")).unwrap();
    let large = image::imageops::resize(&digit, 150, 150, image::imageops::FilterType::Triangle);
    let mut page = RgbImage::from_pixel(400, 300, image::Rgb([240, 235, 220]));
    for (x, y, pixel) in large.enumerate_pixels() {
        let ink = pixel.0[0];
        page.put_pixel(x + 90, y + 60, image::Rgb([240, 235, 220].map(|paper| paper - ink.min(paper))));
    }
    page.save(folder.join("page.jpg")).unwrap();
    let base = ["predict", "--weights", weights, "--device", "cpu"];
    let with = |more: &[&'static str]| base.iter().copied().chain(more.iter().copied()).collect::<Vec<_>>();
    let shown = text(&succeed(folder, &with(&["digit.png", "page.jpg"])).stdout);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 2, "{shown}");
    assert!(lines[0].starts_with("digit.png: ") && lines[0].contains("light ink"), "{shown}");
    assert!(lines[1].starts_with("page.jpg: ") && lines[1].contains("dark ink"), "{shown}");
    assert_eq!(lines[0].matches('%').count(), 3, "top 3: {shown}");
    let forced = text(&succeed(folder, &with(&["--ink", "dark", "--top", "1", "digit.png"])).stdout);
    assert!(forced.contains("dark ink, by --ink") && forced.matches('%').count() == 1, "{forced}");

    // Files that are not pictures are named; the others are still classified.
    fs::write(folder.join("text.png"), "not a picture").unwrap();
    let output = run(folder, &with(&["text.png", "digit.png", "missing.png"]));
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("text.png") && stderr.contains("missing.png"), "{stderr}");
    assert!(text(&output.stdout).starts_with("digit.png: "));
}

#[test]
fn bad_settings_are_refused_before_anything_is_written() {
    let folder = tempdir().unwrap();
    let cases: &[(&[&str], i32, &[&str])] = &[
        (&["--batch-size", "0"], 2, &["batch_size", "0"]),
        (&["--batch-size", "60001"], 1, &["60001"]),
        (&["--lr", "0"], 2, &["lr"]),
        (&["--lr", "-0.1"], 2, &["lr", "-0.1"]),
        (&["--grad-accum-steps", "939"], 1, &["939", "937 batches"]),
        (&["--lr", "nan"], 2, &["lr"]),
        (&["--lr", "inf"], 2, &["lr"]),
        (&["--epochs", "0"], 2, &["epochs"]),
        (&["--width", "1e9"], 2, &["width"]),
        (&["--image-size", "23"], 2, &["23", "24"]),
        (&["--image-size", "0"], 2, &["image"]),
        (&["--rotate", "500"], 2, &["rotate", "500"]),
        (&["--data", "imagenet"], 2, &["imagenet", "mnist"]),
        (&["--data", "mnist:nowhere"], 1, &["nowhere"]),
        (&["--device", "voodoo"], 1, &["voodoo"]),
        (&["--recipe", "slow"], 2, &["slow", "report"]),
        (&["--recipe", "missing.toml"], 2, &["missing.toml"]),
        (&["--resume", "nothing-here"], 1, &["nothing-here"]),
    ];
    for (flags, code, says) in cases {
        // A flag that is given twice is an error, so each case has all the flags that it needs.
        let mut args = vec!["train"];
        if !flags[0].starts_with("--device") {
            args.extend(["--device", "cpu"]);
        }
        if !flags[0].starts_with("--re") {
            args.extend(["--recipe", "quick"]);
        }
        args.extend(*flags);
        fail(folder.path(), &args, *code, says);
    }
    fs::write(folder.path().join("typo.toml"), "lerning_rate = 0.1\n").unwrap();
    fail(folder.path(), &["train", "--recipe", "typo.toml"], 2, &["lerning_rate"]);
    fs::write(folder.path().join("typo.toml"), "batchsize = 8\n").unwrap();
    fail(folder.path(), &["train", "--recipe", "typo.toml"], 2, &["batchsize", "batch_size"]);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["typo.toml"], "something was written");
}

#[test]
fn an_output_directory_that_cannot_be_used_is_named_and_kept() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("file"), "mine").unwrap();
    fail(folder.path(), &tiny(&["--steps", "1", "--output-dir", "file"]), 1, &["file"]);
    assert_eq!(fs::read_to_string(folder.path().join("file")).unwrap(), "mine");

    fs::create_dir(folder.path().join("run")).unwrap();
    fs::write(folder.path().join("run/checkpoint.safetensors"), "precious").unwrap();
    fail(folder.path(), &tiny(&["--steps", "1", "--output-dir", "run"]), 1, &["run", "--resume"]);
    assert_eq!(fs::read_to_string(folder.path().join("run/checkpoint.safetensors")).unwrap(), "precious");

    if cfg!(target_os = "linux") {
        fail(folder.path(), &tiny(&["--steps", "1", "--output-dir", "/proc/run"]), 1, &["/proc/run"]);
    }
}

#[test]
fn broken_weights_are_named() {
    let folder = digits();
    succeed(folder.path(), &tiny(&[&DIGITS[..], &["--steps", "1", "--output-dir", "run"]].concat()));
    let weights = folder.path().join("run/best.safetensors");
    let whole = fs::read(&weights).unwrap();
    fs::write(folder.path().join("cut.safetensors"), &whole[..whole.len() / 2]).unwrap();
    fs::write(folder.path().join("empty.safetensors"), "").unwrap();
    let eval = ["eval", "--device", "cpu", "--weights", "run/best.safetensors"];
    fail(folder.path(), &[&eval[..], &["--batch-size", "0"]].concat(), 2, &["--batch-size"]);
    fail(folder.path(), &[&eval[..], &["--data", "bogus"]].concat(), 2, &["bogus", "mnist"]);
    fail(folder.path(), &[&eval[..], &["--data", "idx"]].concat(), 2, &["idx:DIR"]);
    // The file is for 28 px, and so are the weights inside the program.
    succeed(folder.path(), &[&eval[..], &DIGITS, &["--image-size", "28"]].concat());
    let says = ["28x28 px, not 32x32 px", "leave --image-size out"];
    fail(folder.path(), &[&eval[..], &["--image-size", "32"]].concat(), 2, &says);
    fail(folder.path(), &["eval", "--device", "cpu", "--image-size", "32"], 2, &says);
    fail(folder.path(), &["predict", "--device", "cpu", "--image-size", "32", "none.png"], 2, &says);
    fail(folder.path(), &[&eval[..], &["--data", "mnist:run"]].concat(), 1, &["run"]);
    fail(
        folder.path(),
        &[&eval[..], &["--confusion", "no/such/folder.svg"]].concat(),
        1,
        &["no/such/folder.svg"],
    );
    for name in ["cut.safetensors", "empty.safetensors", "absent.safetensors"] {
        fail(folder.path(), &["eval", "--device", "cpu", "--weights", name], 1, &[name]);
    }
    let checkpoint = folder.path().join("run/checkpoint.safetensors");
    let whole = fs::read(&checkpoint).unwrap();
    fs::write(&checkpoint, &whole[..whole.len() - 9]).unwrap();
    fail(folder.path(), &["train", "--device", "cpu", "--resume", "run"], 1, &["checkpoint.safetensors"]);
}

#[test]
fn plan_shows_what_a_training_needs_and_refuses_what_is_too_large() {
    let folder = tempdir().unwrap();
    let plan = ["plan", "--device", "cpu", "--recipe", "report", "--batch-size", "64"];
    let with = |more: &[&'static str]| plan.iter().copied().chain(more.iter().copied()).collect::<Vec<_>>();
    let shown = text(&succeed(folder.path(), &with(&["--all", "--memory", "64"])).stdout);
    for part in ["classifier.0.weight", "392.0 MiB", "largest batch", "transient", "on a GPU"] {
        assert!(shown.contains(part), "no {part} in {shown}");
    }
    fail(
        folder.path(),
        &with(&["--memory", "4"]),
        1,
        &["batch size 64", "largest batch that fits", "--batch-size"],
    );
    let huge = ["train", "--device", "cpu", "--recipe", "report", "--batch-size", "20000"];
    if cfg!(target_os = "linux") {
        let begun = Instant::now();
        fail(folder.path(), &huge, 1, &["batch size 20000", "largest batch that fits"]);
        assert!(begun.elapsed() < Duration::from_secs(30), "refused before anything is allocated");
        assert!(!folder.path().join("runs").exists());
    }
}

/// A machine without any Vulkan driver still lists its CPU, trains on it, and says how to install an adapter.
#[test]
fn without_a_driver_everything_works_on_the_cpu() {
    let folder = digits();
    let without = |args: &[&str]| {
        let mut command = vgg(folder.path(), args);
        command
            .env("VK_DRIVER_FILES", "/nowhere.json")
            .env("VK_ICD_FILENAMES", "/nowhere.json")
            .output()
            .unwrap()
    };
    if !cfg!(target_os = "linux") {
        return;
    }
    let devices = without(&["devices"]);
    assert!(devices.status.success());
    assert!(text(&devices.stdout).contains("mesa-vulkan-drivers"), "{}", text(&devices.stdout));
    let args = ["train", "--width", "0.0625", "--hidden", "16", "--steps", "1", "--output-dir", "run"];
    let output = without(&[&args[..], &DIGITS].concat());
    let stderr = text(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(
        stderr.contains("CPU") && stderr.contains("recipe quick") && stderr.contains("mesa-vulkan-drivers"),
        "{stderr}"
    );
    let forced = without(&["train", "--device", "vulkan"]);
    assert_eq!(forced.status.code(), Some(1));
    assert!(text(&forced.stderr).contains("vulkan"));
}

/// Ctrl-C and SIGTERM leave a checkpoint and print its name; the resumed run ends as if it had never been interrupted.
#[cfg(unix)]
#[test]
fn a_terminated_run_resumes_bit_for_bit() {
    let folder = digits();
    let steps = [&DIGITS[..], &["--steps", "90"]].concat();
    succeed(folder.path(), &tiny(&[&steps[..], &["--output-dir", "whole"]].concat()));

    let mut child = vgg(folder.path(), &tiny(&[&steps[..], &["--output-dir", "parts"]].concat()))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The configuration is written before the first step.
    let config: PathBuf = folder.path().join("parts/config.toml");
    let begun = Instant::now();
    while !config.exists() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(150));
    let status = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    let code = child.wait().unwrap().code();
    let checkpoint = folder.path().join("parts/checkpoint.safetensors");
    if code == Some(0) {
        panic!("the run was over before the signal came; give it more steps");
    }
    assert_eq!(code, Some(130), "{stderr}");
    assert!(stderr.contains("checkpoint.safetensors") && stderr.contains("--resume"), "{stderr}");
    assert!(checkpoint.exists());

    succeed(folder.path(), &["train", "--device", "cpu", "--resume", "parts"]);
    let best = |run: &str| fs::read(folder.path().join(run).join("best.safetensors")).unwrap();
    assert!(best("whole") == best("parts"), "the weights differ");
    let timeless = |run: &str| {
        let csv = fs::read_to_string(folder.path().join(run).join("metrics.csv")).unwrap();
        csv.lines().map(|line| line.split(',').take(7).collect::<Vec<_>>().join(",")).collect::<Vec<_>>()
    };
    assert_eq!(timeless("whole"), timeless("parts"));
}

/// A live run keeps others out of its directory; a killed one does not, at whatever point it was killed.
#[cfg(unix)]
#[test]
fn a_directory_has_one_run_at_a_time_and_killed_runs_release_it() {
    let folder = tempdir().unwrap();
    let flags = |directory| tiny(&["--steps", "40", "--output-dir", directory]);
    succeed(folder.path(), &flags("whole"));
    let mut first =
        vgg(folder.path(), &flags("run")).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while !folder.path().join("run/config.toml").exists() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let says = format!("another run (process {}) is writing to run;", first.id());
    fail(folder.path(), &flags("run"), 1, &[&says, "another --output-dir"]);
    fail(folder.path(), &["train", "--device", "cpu", "--resume", "run"], 1, &[&says]);
    assert!(
        first.try_wait().unwrap().is_none(),
        "the run was over before the others started; give it more steps"
    );
    first.kill().unwrap();
    first.wait().unwrap();
    // It was killed before its first checkpoint, here with the best weights of an epoch.
    let best = |run: &str| folder.path().join(run).join("best.safetensors");
    fs::write(best("run"), "the weights of the epoch").unwrap();
    let resume = ["train", "--device", "cpu", "--resume", "run"];
    let command = "start it again: vgg train --recipe run/config.toml --output-dir run";
    fail(folder.path(), &resume, 1, &["no checkpoint to resume in run", command]);
    succeed(
        folder.path(),
        &["train", "--device", "cpu", "--recipe", "run/config.toml", "--output-dir", "run"],
    );
    assert!(fs::read(best("run")).unwrap() == fs::read(best("whole")).unwrap(), "the weights differ");
    fail(folder.path(), &resume, 1, &["the run is over at step 40 of 40"]);
}

/// NaN and infinite results are errors: nothing on standard output, and the file is named.
#[test]
fn weights_with_outputs_that_are_not_finite_are_named() {
    let folder = tempdir().unwrap();
    succeed(folder.path(), &tiny(&["--steps", "1", "--output-dir", "run"]));
    let whole = fs::read(folder.path().join("run/best.safetensors")).unwrap();
    let (header, metadata) = SafeTensors::read_metadata(&whole).unwrap();
    let mut large = whole.clone();
    for layer in ["classifier.3.weight", "classifier.6.weight"] {
        let (from, to) = metadata.info(layer).unwrap().data_offsets;
        large[8 + header..][from..to].as_chunks_mut().0.fill(f32::MAX.to_le_bytes());
    }
    fs::write(folder.path().join("large.safetensors"), large).unwrap();
    let std = b"std = [0.3081]";
    let at = whole.windows(std.len()).position(|part| part == std).expect("the normalisation");
    let mut flat = whole.clone();
    flat[at..at + std.len()].copy_from_slice(b"std = [0.0000]");
    fs::write(folder.path().join("flat.safetensors"), flat).unwrap();
    GrayImage::from_pixel(28, 28, image::Luma([90])).save(folder.path().join("grey.png")).unwrap();
    for (weights, says) in [("large.safetensors", "of image 0 is"), ("flat.safetensors", "std 0.0")] {
        for command in ["eval", "eval --json", "predict grey.png", "explain grey.png"] {
            let command: Vec<&str> = command.split(' ').collect();
            let args = [&command[..], &["--device", "cpu", "--weights", weights]].concat();
            fail(folder.path(), &args, 1, &[weights, says, "take another checkpoint"]);
            assert_eq!(text(&run(folder.path(), &args).stdout), "", "{args:?}");
        }
    }
    assert!(
        !folder.path().join("grey.explain.png").exists() && !folder.path().join("confusion.svg").exists()
    );
}

/// Flags of optimisers and schedules as torchvision's script has them, and what they cost in memory.
#[test]
fn optimisers_are_chosen_by_flags() {
    let folder = digits();
    let flags = "--opt sgd --momentum 0.8 --nesterov --weight-decay 1e-4 --lr-scheduler multistep --lr-milestones 1,2 \
                 --label-smoothing 0.1 --clip-grad-norm 1 --model-ema --model-ema-decay 0.9 --patience 2 --steps 2 \
                 --output-dir run";
    let flags: Vec<&str> = flags.split_whitespace().chain(DIGITS).collect();
    succeed(folder.path(), &tiny(&flags));
    let written = fs::read_to_string(folder.path().join("run/config.toml")).unwrap();
    for line in [
        "opt = \"sgd\"",
        "momentum = 0.8",
        "nesterov = true",
        "lr_milestones = [1, 2]",
        "label_smoothing = 0.1",
        "clip_grad_norm = 1.0",
        "model_ema = true",
        "patience = 2",
    ] {
        assert!(written.contains(line), "{line}: {written}");
    }
    fail(folder.path(), &tiny(&["--nesterov"]), 2, &["nesterov is true", "--opt sgd"]);
    let late = ["--lr-scheduler", "multistep", "--lr-milestones", "1,3"];
    fail(folder.path(), &tiny(&late), 2, &["--lr-milestones is [1, 3]", "3 epochs", "--epochs 4"]);
    fail(folder.path(), &["eval", "--skip-corrupt"], 2, &["--skip-corrupt", "data is mnist", "folder:DIR"]);

    let state = |more: &[&'static str]| -> String {
        let plan = ["plan", "--device", "cpu", "--recipe", "quick"];
        let output = succeed(folder.path(), &[&plan[..], more].concat());
        let text = text(&output.stdout);
        let row = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        let [state, average] = ["optimiser state", "weight average"]
            .map(|name| row(name)[name.len()..].split_whitespace().next().unwrap().to_owned());
        format!("{state} {average}")
    };
    // 58 trained tensors and 26 running statistics.
    assert_eq!(state(&[]), "116 0");
    assert_eq!(state(&["--opt", "sgd"]), "58 0");
    assert_eq!(state(&["--opt", "sgd", "--momentum", "0", "--model-ema"]), "0 84");
}

/// Both are made from the description of the command line, so that a new command or flag is in them.
#[test]
fn completions_and_manual_pages_have_every_command_and_flag() {
    let folder = tempdir().unwrap();
    let help = text(&succeed(folder.path(), &["train", "--help"]).stdout);
    let flags: Vec<&str> = help
        .split_whitespace()
        .filter(|word| {
            word.starts_with("--") && word[2..].chars().all(|c| c.is_ascii_lowercase() || c == '-')
        })
        .collect();
    assert!(flags.len() > 60 && flags.contains(&"--val-fraction"), "{flags:?}");
    succeed(folder.path(), &["man", "--output", "man"]);
    let page =
        |name: &str| fs::read_to_string(folder.path().join("man").join(name)).unwrap().replace('\\', "");
    let train = page("vgg-train.1");
    for flag in &flags {
        assert!(train.contains(flag), "{flag} is not in vgg-train.1");
    }
    assert!(page("vgg.1").contains("vgg-quantize(1)") && page("vgg-quantize.1").contains("--calibrator"));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = text(&succeed(folder.path(), &["completions", shell]).stdout);
        for word in ["train", "quantize", "val-fraction", "seeds"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    fail(folder.path(), &["completions", "tcsh"], 2, &["tcsh", "bash"]);
    fs::write(folder.path().join("file"), "").unwrap();
    fail(folder.path(), &["man", "--output", "file/man"], 1, &["file/man", "cannot write manual pages"]);
}
