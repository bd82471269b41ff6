//! `vgg explain`, and the size at which pictures are read.

use std::{fs, path::Path, process::Output};

use image::GrayImage;
use tempfile::tempdir;
use vgg_wgpu::{data::mnist, weights::Weights};

use crate::support::{
    command::{self, text, words},
    synthetic,
};

fn run(folder: &Path, line: &str) -> Output {
    command::run(folder, &words(line))
}

fn stderr(output: &Output) -> String {
    text(&output.stderr)
}

#[track_caller]
fn succeed(folder: &Path, line: &str) -> String {
    text(&command::succeed(folder, &words(line)).stdout)
}

#[test]
fn an_explanation_is_a_picture_and_a_table() {
    let folder = tempdir().unwrap();
    let here = folder.path();
    let test = mnist::builtin().unwrap().test;
    GrayImage::from_raw(28, 28, test.image(0).unwrap()).unwrap().save(here.join("digit.png")).unwrap();

    let shown = succeed(here, "explain --device cpu digit.png");
    assert!(shown.starts_with(&format!("class      {} (", test.label(0))), "{shown}");
    assert!(shown.contains("layer      conv3_3, 7 x 7 pixels, 64 channels"), "{shown}");
    assert!(
        shown.contains("of the evidence") && shown.ends_with("picture    digit.explain.png\n"),
        "{shown}"
    );
    let sheet = image::open(here.join("digit.explain.png")).unwrap().into_rgb8();
    let colored = sheet.pixels().filter(|pixel| pixel[0] > pixel[2].saturating_add(60)).count();
    assert!(colored > 1000, "{colored} pixels of the map are warm");
    // The heading, which names the class and its probability, stands above the pictures.
    let inked =
        (16..36).any(|y| (16..336).any(|x| sheet.get_pixel(x, y).0.iter().all(|&channel| channel < 96)));
    assert!(inked && sheet.get_pixel(8, 8).0 == [255; 3], "a caption on white");

    let shown = succeed(here, "explain --device cpu --class 3 --layer conv2_2 --output a.png digit.png");
    assert!(shown.starts_with("class      3 (") && shown.contains("layer      conv2_2, 14 x 14"), "{shown}");
    assert!(here.join("a.png").is_file());
}

/// Grey pictures are read at the size of the training images, which are 28 x 28 unless the file records another size.
#[test]
fn pictures_are_read_at_the_size_of_the_data_set() {
    let folder = tempdir().unwrap();
    let here = folder.path();
    fs::create_dir(here.join("set")).unwrap();
    for (half, count) in [("train", 16), ("t10k", 8)] {
        let pixels: Vec<u8> = (0..count * 40 * 32).map(|i| (i % 251) as u8).collect();
        let labels: Vec<u8> = (0..count).map(|i| (i % 4) as u8).collect();
        synthetic::idx(&here.join(format!("set/{half}-images-idx3-ubyte")), &[count, 40, 32], &pixels);
        synthetic::idx(&here.join(format!("set/{half}-labels-idx1-ubyte")), &[count], &labels);
    }
    let flags = "--width 0.0625 --hidden 16 --batch-size 8 --steps 2 --output-dir run";
    succeed(here, &format!("train --device cpu --recipe quick --data idx:set {flags}"));
    let best = here.join("run/best.safetensors");
    assert_eq!(Weights::read(&best, None).unwrap().info.source_size(), [40, 32]);
    // A picture of that size is used unchanged; any other is framed, which needs ink.
    GrayImage::new(32, 40).save(here.join("own.png")).unwrap();
    GrayImage::new(28, 28).save(here.join("digit.png")).unwrap();
    for command in ["predict", "explain"] {
        let line = format!("{command} --device cpu --weights run/best.safetensors");
        succeed(here, &format!("{line} own.png"));
        let output = run(here, &format!("{line} digit.png"));
        // To predict, nothing is an answer; nothing cannot be explained.
        let code = if command == "predict" { 0 } else { 1 };
        assert_eq!(output.status.code(), Some(code), "{command}: {}", stderr(&output));
    }
    let edited = |to: &str| {
        let (file, from) = (fs::read(&best).unwrap(), "source = [40, 32]");
        let at = file.windows(from.len()).position(|bytes| bytes == from.as_bytes()).unwrap();
        let parts = [&file[..at], format!("{to:17}").as_bytes(), &file[at + from.len()..]].concat();
        fs::write(here.join("edited.safetensors"), parts).unwrap();
        Weights::read(&here.join("edited.safetensors"), None)
    };
    assert_eq!(edited("").unwrap().info.source_size(), [28, 28], "as in older files");
    let error = edited("source = [0, 1]").unwrap_err().to_string();
    assert!(error.contains("images of [0, 1] pixels"), "{error}");
}

#[test]
fn impossible_explanations_are_refused() {
    let folder = tempdir().unwrap();
    let here = folder.path();
    GrayImage::new(28, 28).save(here.join("digit.png")).unwrap();
    for (line, code, says) in [
        (
            "explain --device cpu --class ten digit.png",
            2,
            "--class ten: the weights have no such class; they have 0, 1",
        ),
        (
            "explain --device cpu --layer conv9_1 digit.png",
            2,
            "--layer conv9_1: the network has no such convolution; it has conv1_1",
        ),
        ("explain --device cpu --image-size 32 digit.png", 2, "takes 28x28 px, not 32x32 px"),
        ("explain --device cpu none.png", 1, "none.png"),
        (
            "explain --device cpu --output nowhere/a.png digit.png",
            1,
            "choose another path with --output FILE",
        ),
    ] {
        let output = run(here, line);
        assert_eq!(output.status.code(), Some(code), "{line}");
        let shown = stderr(&output);
        assert!(shown.contains(says) && !shown.contains("panicked"), "{line}: {shown}");
    }
    assert_eq!(fs::read_dir(here).unwrap().count(), 1, "nothing is written");
}
