//! `--val-fraction`, and `--seeds`.

use std::{fs, path::Path};

use tempfile::{TempDir, tempdir};
use vgg_wgpu::rng::philox4x32;

use crate::support::{
    command::{self, text, words},
    synthetic::{DIGITS, idx},
};

/// Networks so narrow that a few steps and an evaluation take seconds.
const TINY: &str =
    "train --device cpu --recipe quick --width 0.125 --hidden 32 --dropout 0 --batch-size 16 --epochs 2";

/// Noisy images whose class is their brightness, named by [`DIGITS`].
fn digits() -> TempDir {
    let folder = tempdir().unwrap();
    let dir = folder.path().join("digits");
    fs::create_dir(&dir).unwrap();
    for (half, count, seed) in [("train", 640u32, 1), ("t10k", 50, 2)] {
        let labels: Vec<u8> = (0..count).map(|index| (index % 10) as u8).collect();
        let noise = |image: u32| (0..196).flat_map(move |block| philox4x32([block, image, seed, 8], [3, 4]));
        let pixels =
            (0..count).flat_map(|image| noise(image).map(move |word| (image % 10 * 20 + word % 60) as u8));
        idx(&dir.join(format!("{half}-images-idx3-ubyte")), &[count, 28, 28], &pixels.collect::<Vec<_>>());
        idx(&dir.join(format!("{half}-labels-idx1-ubyte")), &[count], &labels);
    }
    folder
}

#[track_caller]
fn succeed(folder: &Path, flags: &str) -> [String; 2] {
    let line = format!("{TINY} {} {flags}", DIGITS.join(" "));
    let output = command::succeed(folder, &words(&line));
    [text(&output.stdout), text(&output.stderr)]
}

#[track_caller]
fn fail(folder: &Path, flags: &str, code: i32, says: &[&str]) {
    command::fail(folder, &words(&format!("{TINY} {} {flags}", DIGITS.join(" "))), code, says);
}

/// The line of a table or a list that begins with a word.
#[track_caller]
fn line<'a>(text: &'a str, word: &str) -> &'a str {
    text.lines().find(|line| line.starts_with(word)).unwrap_or_else(|| panic!("no {word} in {text}"))
}

#[test]
fn the_best_epoch_is_chosen_on_validation_images_and_tested_once() {
    let folder = digits();
    let here = folder.path();
    let [stdout, stderr] = succeed(here, "--val-fraction 0.25 --output-dir run");
    assert!(line(&stderr, "data").contains(" validation and "), "{stderr}");
    assert!(stderr.contains("validation loss") && !stderr.contains("test loss"), "{stderr}");
    assert!(stdout.contains("validation accuracy"), "{stdout}");
    let csv = fs::read_to_string(here.join("run/metrics.csv")).unwrap();
    assert!(
        csv.starts_with("epoch,step,train_loss,train_accuracy,validation_loss,validation_accuracy,"),
        "{csv}"
    );
    // The test images were evaluated with the best epoch's weights.
    let tested = line(&stdout, "test ");
    let eval = ["eval", "--device", "cpu", "--weights", "run/best.safetensors"];
    let eval = command::succeed(here, &[&eval, &DIGITS[..]].concat());
    let eval = text(&eval.stdout);
    for (name, [before, after]) in [("test accuracy", [" ", " % of 50 "]), ("test loss", ["loss ", ":"])] {
        let value = line(&eval, name).split_whitespace().nth(2).unwrap();
        assert!(tested.contains(&format!("{before}{value}{after}")), "{tested}: {name} {value}");
        assert!(value != "10.00", "the network has learnt something");
    }

    // A run stopped by --steps and resumed is the same; its epochs have the same images.
    succeed(here, "--val-fraction 0.25 --steps 3 --output-dir part");
    let resume = ["train", "--device", "cpu", "--resume", "part", "--steps", "1000"];
    command::succeed(here, &resume);
    let [whole, part] = ["run", "part"].map(|run| fs::read(here.join(run).join("best.safetensors")).unwrap());
    assert!(whole == part, "the best weights after a stop");
    command::fail(
        here,
        &["train", "--resume", "part", "--val-fraction", "0.5"],
        2,
        &["--val-fraction", "0.25"],
    );

    fail(here, "--val-fraction 0.0001", 1, &["--val-fraction 0.0001", "0 of its", "larger"]);
    fail(here, "--val-fraction 0.999", 1, &["batch"]);
    fail(here, "--val-fraction 1", 2, &["val_fraction is 1", "at least 0, below 1"]);
    assert!(!here.join("runs").exists(), "nothing is written before the data are checked");
}

#[test]
fn several_seeds_have_a_mean_and_a_deviation() {
    let folder = digits();
    let here = folder.path();
    let [_, _] = succeed(here, "--seed 1 --output-dir alone");
    // The first of them is stopped, as if by Ctrl-C: the same command goes on.
    succeed(here, "--seeds 0 --output-dir three");
    let [stdout, stderr] = succeed(here, "--seeds 0,1,2 --output-dir three");
    assert!(stderr.contains("is finished"), "{stderr}");
    let same = |run: &str| fs::read(here.join(run).join("best.safetensors")).unwrap();
    assert!(same("alone") == same("three/seed-1"), "the same run as with --seed 1");
    assert!(same("three/seed-0") != same("three/seed-1"));
    let csv = fs::read_to_string(here.join("three/seeds.csv")).unwrap();
    let rows: Vec<Vec<f64>> =
        csv.lines().skip(1).map(|row| row.split(',').map(|cell| cell.parse().unwrap()).collect()).collect();
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), [0.0, 1.0, 2.0]);
    let mean = rows.iter().map(|row| 100.0 * row[2]).sum::<f64>() / 3.0;
    let deviation = (rows.iter().map(|row| (100.0 * row[2] - mean).powi(2)).sum::<f64>() / 2.0).sqrt();
    let expected = format!("{mean:.2} ± {deviation:.2} %");
    assert!(line(&stdout, "mean").contains(&expected), "{stdout}\n{expected}");
    let page = fs::read_to_string(here.join("three/comparison.html")).unwrap();
    assert!(["seed-0", "seed-1", "seed-2"].iter().all(|name| page.contains(name)));

    // With validation images the finished seeds' test images are those of the best weights.
    let flags = "--seeds 4,5 --val-fraction 0.25 --output-dir validated";
    let [first, _] = succeed(here, flags);
    let [again, stderr] = succeed(here, flags);
    assert!(stderr.matches("is finished").count() == 2, "{stderr}");
    assert!(line(&first, "seed  ").contains("best epoch (validation)"), "{first}");
    // But for the time.
    let table = |text: &str| {
        let rows = text.lines().filter(|line| line.starts_with(['4', '5', 'm']));
        rows.map(|row| row.split(") ").next().unwrap_or(row).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(table(&first), table(&again));

    fail(here, "--seeds 0,1 --seed 3", 2, &["--seed and --seeds"]);
    fail(here, "--seeds 0,0", 2, &["--seeds has 0 twice"]);
    fail(
        here,
        "--seeds 0,1 --lr 0.1 --output-dir three",
        1,
        &["three/seed-0", "other settings", "--output-dir"],
    );
    fail(here, "--seeds 0,1 --output-dir alone", 1, &["alone", "config.toml", "--output-dir"]);
}
