//! `vgg compare`, and the weights inside the program.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use image::GrayImage;
use tempfile::tempdir;
use vgg_wgpu::data::mnist;

use crate::support::{
    command::{self, text, vgg, words},
    synthetic::{DIGITS, digits},
};

/// Networks so narrow that a few steps and an evaluation take seconds.
const TINY: &str =
    "--device cpu --recipe quick --width 0.0625 --hidden 16 --batch-size 16 --epochs 2 --steps 6 --seed 3";

#[track_caller]
fn succeed(folder: &Path, line: &str) -> [String; 2] {
    let output = command::succeed(folder, &words(line));
    [text(&output.stdout), text(&output.stderr)]
}

#[track_caller]
fn fail(folder: &Path, line: &str, code: i32, says: &str) {
    command::fail(folder, &words(line), code, &[says]);
}

/// The two cells of a line of the table.
#[track_caller]
fn cells<'a>(table: &'a str, name: &str) -> [&'a str; 2] {
    let line =
        table.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {table}"));
    let cells: Vec<&str> = line[name.len()..].split("  ").map(str::trim).filter(|c| !c.is_empty()).collect();
    cells.try_into().unwrap_or_else(|cells| panic!("{name}: {cells:?}"))
}

#[test]
fn both_networks_are_trained_or_loaded_and_compared() {
    let folder = digits();
    let here = folder.path();
    let tiny = format!("{TINY} {}", DIGITS.join(" "));
    let [table, stderr] = succeed(here, &format!("compare {tiny} --output-dir out"));
    assert!(stderr.contains("32 px for both: the standard network cannot take 28 px"), "{stderr}");
    assert_eq!(cells(&table, "normalisation"), ["batch norm", "none"]);
    assert_eq!(cells(&table, "pooling stride"), ["adaptive", "2"]);
    assert_eq!(cells(&table, "adaptive average pooling"), ["no", "7x7"]);
    assert_eq!(cells(&table, "learning rate"), ["2e-3", "1e-4"]);
    // 13 convolutions, 13 batch norms, and FC1 on one pixel against 49.
    assert_eq!(cells(&table, "parameters"), ["60,034", "84,066"]);
    for line in ["FLOP per image, forward", "memory of the training"] {
        assert_ne!(cells(&table, line)[0], cells(&table, line)[1], "{line}");
    }
    // Two times may be equal after rounding.
    for cell in cells(&table, "training step") {
        let step = cell.strip_suffix(" ms for 16 images").and_then(|time| time.parse::<f64>().ok());
        assert!(step.is_some_and(|time| time > 0.0), "{cell}");
    }
    let markdown = fs::read_to_string(here.join("out/compare.md")).unwrap();
    for name in ["test accuracy", "test loss", "train accuracy", "train loss", "best epoch"] {
        let [custom, standard] = cells(&table, name);
        assert!(markdown.contains(&format!("| {name} | {custom} | {standard} |")), "{markdown}");
    }
    let picture = fs::read_to_string(here.join("out/compare.svg")).unwrap();
    assert!(
        picture.contains("custom, test") && picture.matches("<circle").count() == 8,
        "a point for each curve"
    );
    let config = |side: &str| fs::read_to_string(here.join(format!("out/{side}/config.toml"))).unwrap();
    assert!(
        config("custom").contains("model = \"vgg16_bn\"") && config("custom").contains("image_size = 32")
    );
    assert!(config("standard").contains("model = \"vgg16\"") && config("standard").contains("avgpool = 7"));
    assert!(config("custom").contains("seed = 3") && config("standard").contains("seed = 3"));
    fail(here, &format!("compare {tiny} --output-dir out"), 1, "contains another comparison");

    let loaded = "--custom out/custom/best.safetensors --standard out/standard/best.safetensors";
    let [again, _] = succeed(here, &format!("compare {tiny} {loaded} --output-dir again"));
    for name in ["test accuracy", "train accuracy", "train loss", "best epoch"] {
        assert_eq!(cells(&again, name), cells(&table, name), "{name}");
    }
    assert!(!here.join("again/custom").exists(), "nothing was trained");
    // Each other's weights are refused by name before anything is written.
    let crossed = "--custom out/standard/best.safetensors";
    fail(
        here,
        &format!("compare {tiny} {crossed} --output-dir crossed"),
        1,
        "contains a VGG16 without batch norm, not a VGG16 with batch norm",
    );
    assert!(!here.join("crossed").exists());
    // So are those of another training whose shapes are the same.
    let custom = fs::read(here.join("out/custom/best.safetensors")).unwrap();
    fs::write(here.join("names.safetensors"), replaced(&custom, r#"\"9\""#, r#"\"x\""#)).unwrap();
    let stride = replaced(&custom, r#"pool_stride = \"adaptive\""#, r#"pool_stride = \"fixed\"   "#);
    fs::write(here.join("stride.safetensors"), stride).unwrap();
    succeed(here, &format!("train {tiny} --output-dir small"));
    for (flags, says) in [
        (
            "--custom small/best.safetensors",
            "was trained at 28x28 px, but the comparison is at 32x32 px; give weights that were trained at 32 px\n",
        ),
        ("--image-size 64 --standard out/standard/best.safetensors", "64 px, or compare at --image-size 32"),
        ("--custom stride.safetensors", "pooling stride that is 2, but the comparison's is adaptive"),
        ("--custom names.safetensors", "class 9 is x, but the data's is 9"),
    ] {
        fail(here, &format!("compare {tiny} {flags} --output-dir other"), 1, says);
    }
    assert!(!here.join("other").exists());
}

/// A weights file with other words of the same length in its metadata.
#[track_caller]
fn replaced(file: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = file.windows(from.len()).position(|bytes| bytes == from.as_bytes()).unwrap();
    [&file[..at], to.as_bytes(), &file[at + from.len()..]].concat()
}

#[test]
fn another_run_in_a_sides_directory_is_found_before_anything_is_trained() {
    let folder = tempdir().unwrap();
    let here = folder.path();
    fs::create_dir_all(here.join("out/standard")).unwrap();
    fs::write(here.join("out/standard/best.safetensors"), "precious").unwrap();
    fail(
        here,
        &format!("compare {TINY} --output-dir out"),
        1,
        "out/standard contains the best weights of a run",
    );
    assert!(!here.join("out/custom/checkpoint.safetensors").exists(), "nothing was trained");
    assert_eq!(fs::read_to_string(here.join("out/standard/best.safetensors")).unwrap(), "precious");
}

/// The error names the trained network, and the suggested comparison does not train it again.
#[cfg(unix)]
#[test]
fn an_interrupted_comparison_keeps_the_finished_network() {
    let folder = tempdir().unwrap();
    let here = folder.path();
    let mut child = vgg(here, &words(&format!("compare {TINY} --output-dir out")))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    // The second network has started; a few of its steps are measured first.
    lines.find(|line| line.starts_with("standard  ")).unwrap();
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
    let advice = rest.iter().find_map(|line| line.strip_prefix("continue with: vgg ")).unwrap();
    let (train, compare) = advice.split_once(", then vgg ").unwrap();
    assert_eq!(train, "train --resume out/standard/checkpoint.safetensors");
    let flags = "--custom out/custom/best.safetensors --standard out/standard/best.safetensors";
    assert_eq!(compare, format!("compare {flags} and the same flags"));

    let custom = fs::read(here.join("out/custom/best.safetensors")).unwrap();
    succeed(here, &format!("{train} --device cpu"));
    let [table, _] = succeed(here, &format!("compare {flags} {TINY} --output-dir out"));
    assert!(!cells(&table, "best epoch").contains(&"unknown"), "{table}");
    assert!(custom == fs::read(here.join("out/custom/best.safetensors")).unwrap(), "not trained again");
}

#[test]
fn impossible_comparisons_are_refused() {
    let folder = tempdir().unwrap();
    let here = folder.path();
    fail(
        here,
        &format!("compare {TINY} --weights a.safetensors"),
        2,
        "starts both networks from the same seed",
    );
    fail(here, &format!("compare {TINY} --standard-lr 0"), 2, "lr is 0");
    fail(here, &format!("compare {TINY} --custom a.safetensors"), 1, "cannot read a.safetensors");
    assert_eq!(fs::read_dir(here).unwrap().count(), 0, "nothing is written");
}

/// `vgg eval` and `vgg predict` work without any training, and name their weights.
#[test]
fn the_weights_inside_the_program_are_those_of_a_trained_network() {
    let folder = tempdir().unwrap();
    let here = folder.path();
    let [stdout, stderr] = succeed(here, "eval --device cpu --json");
    let figures: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert!(figures["accuracy"].as_f64().unwrap() >= 0.993, "{stdout}");
    assert!(stderr.starts_with("weights   inside the program, trained by the quick recipe"), "{stderr}");

    let test = mnist::builtin().unwrap().test;
    let image = GrayImage::from_raw(28, 28, test.image(0).unwrap()).unwrap();
    image.save(here.join("digit.png")).unwrap();
    let [stdout, stderr] = succeed(here, "predict --device cpu --top 1 digit.png");
    assert!(stdout.starts_with(&format!("digit.png: {} (", test.label(0))), "{stdout}");
    assert!(stderr.starts_with("weights   inside the program"), "{stderr}");
}
