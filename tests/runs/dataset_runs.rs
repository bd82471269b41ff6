//! `vgg train`, `eval` and `predict` on pictures in colour, from CIFAR's files and from folders; a resumed run bit for bit.

use std::{fs, path::Path};

use tempfile::{TempDir, tempdir};

use crate::support::{
    command::{self, fail, run, text, vgg},
    synthetic,
};

const TINY: [&str; 14] = [
    "train",
    "--device",
    "cpu",
    "--recipe",
    "quick",
    "--image-size",
    "24",
    "--width",
    "0.0625",
    "--hidden",
    "16",
    "--batch-size",
    "8",
    "--lr=0.002",
];

/// Its standard output and standard error.
#[track_caller]
fn succeed(folder: &Path, args: &[&str]) -> [String; 2] {
    let output = command::succeed(folder, args);
    [text(&output.stdout), text(&output.stderr)]
}

fn with<'a>(base: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [base, more].concat()
}

fn pets() -> TempDir {
    let dir = tempdir().unwrap();
    synthetic::folder(&dir.path().join("pets"), &["cat", "dog", "emu"], [16, 4], [30, 40], "jpg");
    dir
}

/// Random crops, flips and padded crops included: the whole run, and one in three parts on a single thread.
#[test]
fn a_run_on_a_folder_resumes_bit_for_bit() {
    let dir = pets();
    let flags = ["--data", "folder:pets", "--random-resized-crop", "--hflip", "--random-crop", "2"];
    let base = with(&TINY, &with(&flags, &["--epochs", "3"]));
    let [_, said] = succeed(dir.path(), &with(&base, &["--output-dir", "whole"]));
    assert!(said.contains("48 training and 12 test") && said.contains("scanning 60 images"), "{said}");
    assert!(said.contains("loading "), "{said}");
    let [_, said] = succeed(dir.path(), &with(&base, &["--output-dir", "parts", "--steps", "4"]));
    assert!(!said.contains("scanning"), "the first scan is cached: {said}");
    for steps in ["7", "18"] {
        let mut command =
            vgg(dir.path(), &["train", "--device", "cpu", "--resume", "parts", "--steps", steps]);
        let output = command.env("RAYON_NUM_THREADS", "1").output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let best = |run: &str| fs::read(dir.path().join(run).join("best.safetensors")).unwrap();
    let losses = |run: &str| -> Vec<String> {
        let csv = fs::read_to_string(dir.path().join(run).join("metrics.csv")).unwrap();
        csv.lines().map(|line| line.split(',').take(7).collect::<Vec<_>>().join(",")).collect()
    };
    assert_eq!(losses("whole"), losses("parts"));
    assert!(best("whole") == best("parts"), "the weights differ");

    // Changed files end it before anything is trained.
    synthetic::picture(30, 40, 0, 12345).save(dir.path().join("pets/train/cat/00000.jpg")).unwrap();
    let resume = ["train", "--device", "cpu", "--resume", "parts", "--epochs", "4", "--steps", "20"];
    fail(dir.path(), &resume, 2, &["--epochs"]);
    fail(dir.path(), &["train", "--device", "cpu", "--resume", "whole"], 1, &["mean and deviation"]);
}

/// The output of a folder's run: the recipe's augmentation, no figures of the paper, and at its end a command for further training
/// that works as printed.
#[test]
fn a_finished_run_on_a_folder_prints_how_to_continue() {
    let dir = pets();
    let train = with(&TINY, &["--data", "folder:pets", "--epochs", "1"]);
    let [shown, said] = succeed(dir.path(), &with(&train, &["--output-dir", "run"]));
    assert!(shown.contains("best (epoch 1)") && !shown.contains("paper"), "{shown}");
    let line = "augment   training images are rotated by up to 8 degrees, shifted by up to 4 % of their side \
                (to turn off: --rotate 0 --translate 0)";
    assert!(said.contains(line), "{said}");
    let plain = ["--rotate", "0", "--translate", "0", "--hflip", "--output-dir", "plain"];
    let [_, said] = succeed(dir.path(), &with(&train, &plain));
    assert!(said.contains("augment   training images are mirrored at random\n"), "{said}");

    let output = run(dir.path(), &["train", "--device", "cpu", "--resume", "run"]);
    let stderr = text(&output.stderr);
    let (_, advice) = stderr.rsplit_once("vgg train ").expect("a command");
    let advice = advice.trim().replace(" N ", " 2 ").replace(" DIR", " more");
    let advice: Vec<&str> = ["train", "--device", "cpu"].into_iter().chain(advice.split(' ')).collect();
    succeed(dir.path(), &advice);
    let csv = fs::read_to_string(dir.path().join("more/metrics.csv")).unwrap();
    assert_eq!(csv.lines().count(), 3, "{csv}");
    let config = fs::read_to_string(dir.path().join("more/config.toml")).unwrap();
    assert!(
        config.contains("width = 0.0625") && config.contains("weights = \"run/best.safetensors\""),
        "{config}"
    );
}

#[test]
fn weights_of_a_folder_name_its_classes() {
    let dir = pets();
    let flags = [
        "--data",
        "folder:pets",
        "--resize-size",
        "28",
        "--epochs",
        "25",
        "--dropout",
        "0",
        "--output-dir",
        "run",
    ];
    succeed(dir.path(), &with(&TINY, &flags));
    let weights = ["--weights", "run/best.safetensors", "--device", "cpu"];
    let eval = with(&["eval", "--data", "folder:pets", "--json"], &weights);
    let [json, _] = succeed(dir.path(), &eval);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["images"], 12);
    assert_eq!(json["classes"], serde_json::json!(["cat", "dog", "emu"]));
    assert!(json["top5_accuracy"].is_null(), "there are three classes");
    // Colours are learnt in a few steps.
    assert!(json["accuracy"].as_f64().unwrap() > 0.6, "{json}");

    // Colour pictures have no ink.
    let predict = with(&["predict", "pets/val/dog/00001.jpg"], &weights);
    let [shown, _] = succeed(dir.path(), &predict);
    assert!(shown.contains("cat (") && shown.contains("dog (") && shown.contains("emu ("), "{shown}");
    assert!(!shown.contains("ink"), "{shown}");

    // Other class names cause a note; other numbers of classes or channels are refused.
    fs::create_dir(dir.path().join("other")).unwrap();
    synthetic::folder(&dir.path().join("other"), &["a", "b", "c"], [1, 1], [30, 30], "png");
    let [_, said] = succeed(dir.path(), &with(&["eval", "--data", "folder:other"], &weights));
    assert!(said.contains("cat, dog, emu") && said.contains("a, b, c"), "{said}");
    fail(dir.path(), &with(&["eval"], &weights), 1, &["3 channels", "mnist has 1"]);
    synthetic::cifar10(&dir.path().join("ten"), 1);
    fail(dir.path(), &with(&["eval", "--data", "cifar10:ten"], &weights), 1, &["3 classes", "has 10"]);
}

#[test]
fn damaged_pictures_are_skipped_by_a_flag_and_listed() {
    let dir = pets();
    fs::write(dir.path().join("pets/train/dog/00003.jpg"), "no").unwrap();
    fs::write(dir.path().join("pets/val/emu/00000.jpg"), "no").unwrap();
    let train = with(&TINY, &["--data", "folder:pets", "--steps", "2", "--output-dir", "run"]);
    fail(dir.path(), &train, 1, &["2 damaged images", "dog/00003.jpg", "emu/00000.jpg", "--skip-corrupt"]);
    assert!(!dir.path().join("run").exists(), "something was written");
    let [_, said] = succeed(dir.path(), &with(&train, &["--skip-corrupt"]));
    assert!(said.contains("1 training images left out") && said.contains("47 training"), "{said}");
    let eval = ["eval", "--weights", "run/best.safetensors", "--device", "cpu", "--data", "folder:pets"];
    fail(dir.path(), &eval, 1, &["damaged"]);
    let [shown, said] = succeed(dir.path(), &with(&eval, &["--skip-corrupt"]));
    assert!(shown.contains("test images   11") && said.contains("emu/00000.jpg"), "{shown}{said}");
}

#[test]
fn cifar_runs_through_every_command() {
    let dir = tempdir().unwrap();
    synthetic::cifar100(&dir.path().join("c100"), 120);
    synthetic::cifar10(&dir.path().join("c10"), 10);
    let flags = ["--data", "cifar100:c100", "--hflip", "--random-crop", "4", "--steps", "3"];
    let [_, said] = succeed(dir.path(), &with(&TINY, &with(&flags, &["--output-dir", "run"])));
    assert!(said.contains("3x24x24") && said.contains("cifar100:c100: 120 training"), "{said}");
    let weights = ["--weights", "run/best.safetensors", "--device", "cpu"];
    let [shown, _] = succeed(dir.path(), &with(&["eval", "--data", "cifar100:c100"], &weights));
    assert!(shown.contains("among top 5"), "{shown}");
    let svg = fs::read_to_string(dir.path().join("run/confusion.svg")).unwrap();
    assert!(svg.starts_with("<svg"));
    let eval = with(&["eval", "--data", "cifar100:c100", "--json"], &weights);
    let json: serde_json::Value = serde_json::from_str(&succeed(dir.path(), &eval)[0]).unwrap();
    let (one, five) = (json["accuracy"].as_f64().unwrap(), json["top5_accuracy"].as_f64().unwrap());
    assert!((0.0..=1.0).contains(&five) && one <= five, "{one} {five}");
    synthetic::picture(50, 70, 1, 1).save(dir.path().join("a.png")).unwrap();
    let [shown, _] = succeed(dir.path(), &with(&["predict", "a.png", "--top", "1"], &weights));
    // After three steps nothing is sure.
    assert!(shown.starts_with("a.png: not sure: fine"), "{shown}");

    let small = ["--image-size", "32", "--width", "0.0625", "--hidden", "16", "--recipe", "quick"];
    let ten = with(&["--data", "cifar10:c10"], &small);
    let [summary, _] = succeed(dir.path(), &with(&["summary"], &ten));
    assert!(summary.contains("input [3, 32, 32]"), "{summary}");
    let device = with(&ten, &["--device", "cpu", "--batch-size", "8"]);
    let [plan, _] = succeed(dir.path(), &with(&["plan"], &device));
    assert!(plan.contains("largest batch"), "{plan}");
    let [bench, _] = succeed(dir.path(), &with(&["bench", "--steps", "2", "--json"], &device));
    let bench: serde_json::Value = serde_json::from_str(&bench).unwrap();
    assert!((0.0..100.0).contains(&bench["loading_percent"].as_f64().unwrap()), "{bench}");
}

#[test]
fn settings_without_a_meaning_are_refused() {
    let dir = pets();
    let train = |more: &[&'static str]| with(&TINY, more);
    let folder = ["--data", "folder:pets"];
    fail(dir.path(), &train(&["--data", "folder"]), 2, &["folder:DIR"]);
    fail(dir.path(), &train(&["--resize-size", "32"]), 2, &["resize_size", "folder"]);
    fail(dir.path(), &with(&train(&folder), &["--resize-size", "23"]), 2, &["resize_size", "23"]);
    fail(dir.path(), &train(&["--random-crop", "5000"]), 2, &["random_crop", "5000"]);
    fail(dir.path(), &train(&["--hflip=perhaps"]), 2, &["perhaps"]);
    assert!(!dir.path().join("runs").exists(), "something was written");
}
