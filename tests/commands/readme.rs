//! The commands of the README and then of docs/: each runs as it is written, in order, on a machine that has what the README
//! requires.
//!
//! Added flags shorten trainings; a command's own flags stay. The test writes the reader's files: CIFAR-10, pictures in `pets/` and
//! torchvision's weights, all small.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use assert_cmd::cargo::cargo_bin;
use safetensors::{Dtype, tensor::TensorView};
use tempfile::{TempDir, tempdir};
use vgg_wgpu::model::{Architecture, VggConfig};

use crate::support::synthetic;

/// Flags that shorten a training, added unless the command has them.
const SHORT: [[&str; 2]; 4] =
    [["--width", "0.0625"], ["--hidden", "16"], ["--batch-size", "16"], ["--steps", "2"]];
/// The commands that train.
const TRAINS: [&str; 5] = ["train", "compare", "plan", "bench", "profile"];
/// Parts of commands that need a GPU; without one they end with an error that says so.
const GPU: [&str; 5] = ["vgg verify", "vgg tune", "--variant", "--precision mixed", "--capture"];
/// Commands that this test does not run: another test runs them, or they need the network, and this test writes their results.
const ELSEWHERE: [&str; 5] = [
    "scripts/test",
    "cargo run --release --example convolution",
    "curl -LO https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "tar xzf cifar-10-binary.tar.gz",
    "python3 -c \"import torchvision as t, safetensors.torch as s; s.save_file(t.models.vgg16_bn(weights='DEFAULT').state_dict(), \
     'vgg16_bn.safetensors')\"",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(document: &str) -> String {
    fs::read_to_string(root().join(document)).unwrap()
}

/// The documents whose commands run, in this order: later ones use the files of earlier ones.
const WITH_COMMANDS: [&str; 15] = [
    "README.md",
    "docs/tutorial.md",
    "docs/guide.md",
    "docs/data.md",
    "docs/exchange.md",
    "docs/library.md",
    "docs/kernels.md",
    "docs/convolution.md",
    "docs/winograd.md",
    "docs/matrix-units.md",
    "docs/batch-norm.md",
    "docs/pooling.md",
    "docs/linear.md",
    "docs/integers.md",
    "docs/determinism.md",
];

fn text_with_commands() -> String {
    WITH_COMMANDS.map(read).concat()
}

/// The README and all of docs/.
fn documents() -> Vec<String> {
    let files = fs::read_dir(root().join("docs")).unwrap().map(|file| file.unwrap().file_name());
    let names = files.map(|name| format!("docs/{}", name.to_string_lossy()));
    names.filter(|name| name.ends_with(".md")).chain(["README.md".to_owned()]).collect()
}

/// The lines of all blocks of code in a language, without their comments.
fn blocks(language: &str) -> Vec<String> {
    let text = text_with_commands();
    let mut blocks = Vec::new();
    let mut rest = text.as_str();
    while let Some((_, after)) = rest.split_once(&format!("```{language}\n")) {
        let (block, after) = after.split_once("```").expect("an end of the block");
        blocks.push(block.to_owned());
        rest = after;
    }
    blocks
}

fn commands() -> Vec<String> {
    let blocks = blocks("sh");
    let lines = blocks.iter().flat_map(|block| block.lines());
    lines.map(|line| line.split(" #").next().unwrap().trim_end().to_owned()).collect()
}

/// A folder that looks like the repository's root to the commands, with the reader's files.
fn place() -> TempDir {
    let dir = tempdir().unwrap();
    fs::create_dir_all(dir.path().join("assets")).unwrap();
    std::os::unix::fs::symlink(root().join("assets/pictures"), dir.path().join("assets/pictures")).unwrap();
    synthetic::cifar10(&dir.path().join("cifar-10-batches-bin"), 20);
    synthetic::folder(&dir.path().join("pets"), &["cat", "dog", "emu"], [16, 4], [80, 90], "jpg");
    let config =
        VggConfig { width: 0.0625, hidden: Some(16), ..VggConfig::torchvision(Architecture::Vgg16Bn) };
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = config
        .network()
        .unwrap()
        .parameters
        .iter()
        .enumerate()
        .map(|(i, p)| {
            (p.name.clone(), p.shape.dims().to_vec(), bytemuck::cast_slice(&p.initial(5, i)).to_vec())
        })
        .collect();
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    fs::write(dir.path().join("vgg16_bn.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    dir
}

/// Runs a line of shell with `vgg` and the examples on the path and without a GPU.
fn shell(dir: &Path, line: &str) -> Output {
    let programs = cargo_bin("vgg").parent().unwrap().to_owned();
    let path = env::var("PATH").unwrap();
    let path = format!("{}:{}:{path}", programs.display(), programs.join("examples").display());
    let mut command = Command::new("sh");
    command.current_dir(dir).args(["-c", line]).stdin(Stdio::null()).env("PATH", path);
    command.env("VK_DRIVER_FILES", "/nowhere.json").env("VK_ICD_FILENAMES", "/nowhere.json");
    command.env("XDG_CACHE_HOME", dir.join("cache")).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The line with programs on the path in place of cargo, and with the flags of a short training.
fn short(line: &str) -> String {
    let line = match line.strip_prefix("cargo run --release --example ") {
        Some(example) => example.replacen(" --", "", 1),
        None => line.replacen("cargo run --release -- ", "vgg ", 1),
    };
    let mut words = line.split_whitespace();
    let (program, command) = (words.next().unwrap(), words.next().unwrap());
    // Of files, `vgg compare` trains nothing.
    let files = command == "compare" && line.contains(".safetensors");
    if program != "vgg" || !TRAINS.contains(&command) || line.contains("--resume") || files {
        return line;
    }
    let more: Vec<String> = SHORT
        .iter()
        .filter(|[flag, _]| !words.clone().any(|word| word == *flag))
        .map(|flag| flag.join(" "))
        .collect();
    let (_, rest) = line.split_once(command).unwrap();
    format!("vgg {command} {}{rest}", more.join(" "))
}

/// The examples, as `cargo test` builds them next to the program when it runs all tests.
fn build_examples() {
    let release = cargo_bin("vgg").components().any(|part| part.as_os_str() == "release");
    let mut cargo = Command::new(env::var_os("CARGO").map_or(PathBuf::from("cargo"), PathBuf::from));
    cargo.current_dir(root()).args(["build", "--quiet", "--examples"]).args(release.then_some("--release"));
    assert!(cargo.status().unwrap().success());
}

#[test]
fn every_command_runs_as_written() {
    build_examples();
    let (dir, commands) = (place(), commands());
    assert_eq!(commands[0], "cargo run --release -- train");
    assert!(commands.len() > 25, "{commands:?}");
    for elsewhere in ELSEWHERE {
        assert!(
            commands.iter().any(|command| command == elsewhere),
            "not in the documents any more: {elsewhere}"
        );
    }
    assert!(root().join("scripts/test").is_file());
    for command in commands.iter().filter(|command| !ELSEWHERE.contains(&command.as_str())) {
        let line = short(command);
        let output = shell(dir.path(), &line);
        let said = text(&output.stderr);
        assert!(!said.contains("panicked"), "{command}: {said}");
        if GPU.iter().any(|part| command.contains(part)) {
            // The error says what is missing; clap's errors about wrong flags and values name --help.
            let missing = ["GPU", "adapter"].iter().any(|word| said.contains(word));
            assert!(missing && !said.contains("try '--help'"), "{command}, run as {line}: {said}");
        } else {
            assert!(output.status.success(), "{command}, run as {line}: {said}");
        }
    }
    for written in
        ["runs/quick", "runs/mine", "vgg.onnx", "layers.svg", "digit.explain.png", "digits.safetensors"]
    {
        assert!(dir.path().join(written).exists(), "no {written}");
    }
    let output = shell(dir.path(), "vgg predict assets/pictures/digit.png");
    assert!(text(&output.stdout).starts_with("assets/pictures/digit.png: 5 ("), "{}", text(&output.stdout));
    python(dir.path());
}

/// Commands in running text have existing flags and values. The archive of measurements has those of its day.
#[test]
fn commands_in_the_text_can_be_typed() {
    let dir = tempdir().unwrap();
    let text: String =
        documents().iter().filter(|name| *name != "docs/archive.md").map(|name| read(name)).collect();
    let spans = text.split('`').filter(|span| span.starts_with("vgg ") && !span.contains('\n'));
    let placeholder = |word: &str| word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase());
    let spans: Vec<&str> =
        spans.filter(|span| !span.split(' ').any(placeholder) && !span.contains("...")).collect();
    assert!(spans.len() > 10, "{spans:?}");
    let typed = |line: &str| shell(dir.path(), &format!("{line} --help")).status.code();
    for span in spans {
        assert_eq!(typed(span), Some(0), "{span}");
    }
    for wrong in ["vgg trian", "vgg train --epoch 3", "vgg train --epochs many", "vgg train --model vgg17"] {
        assert_eq!(typed(wrong), Some(2), "{wrong}");
    }
}

/// The documents' Python reads the files of the commands before it.
fn python(dir: &Path) {
    if env::var_os("VGG_TEST_PYTHON").is_none() {
        eprintln!(
            "Python not run: set VGG_TEST_PYTHON=1 where python3 has torch, torchvision and safetensors"
        );
        return;
    }
    for block in blocks("python") {
        let output = Command::new("python3").current_dir(dir).args(["-c", &block]).output().unwrap();
        assert!(output.status.success(), "{block}: {}", text(&output.stderr));
    }
}

/// Every link to a file or a heading of another document leads somewhere, and the book has every document.
#[test]
fn links_lead_somewhere() {
    let contents = read("docs/SUMMARY.md");
    let heading = |line: &str| {
        let words = line.strip_prefix('#')?.trim_start_matches('#').trim().to_lowercase();
        let plain = words.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        Some(plain.map(|c| if c == ' ' { '-' } else { c }).collect::<String>())
    };
    let mut count = 0;
    for document in documents() {
        let name = Path::new(&document).file_name().unwrap().to_str().unwrap();
        let listed = contents.contains(&format!("({name})"));
        assert!(
            listed || ["README.md", "SUMMARY.md"].contains(&name),
            "{document} is not in docs/SUMMARY.md"
        );
        let text = read(&document);
        let folder = root().join(&document).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("http") {
                continue;
            }
            count += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { root().join(&document) } else { folder.join(file) };
            assert!(target.exists(), "{document}: {link}");
            let there =
                || fs::read_to_string(&target).unwrap().lines().filter_map(heading).any(|it| it == anchor);
            assert!(anchor.is_empty() || there(), "{document}: {link} has no such heading");
        }
    }
    assert!(count > 20, "{count} links");
    assert!(read("README.md").lines().count() <= 150, "a README that is read in five minutes");
}
