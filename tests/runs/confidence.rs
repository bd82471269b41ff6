//! Temperatures in files of weights, and test-time augmentation.

use std::{fs, path::Path, sync::Arc};

use tempfile::tempdir;
use vgg_wgpu::{
    data::{Crop, Dataset, Loader, Normalization, TestAugmentation, View, mnist, picture::PictureError},
    device::Device,
    train::temper,
    weights::{Trained, Weights, write_temperature},
};

use crate::support::command::{self, text, words};

const FILES: [&str; 2] = ["assets/weights/quick.safetensors", "assets/weights/small.safetensors"];

/// A data set whose images are mirrored, and then moved right and down by one pixel, or left and up.
struct Moved {
    set: Arc<dyn Dataset>,
    mirror: bool,
    by: i32,
}

impl Dataset for Moved {
    fn name(&self) -> &str {
        "moved"
    }
    fn len(&self) -> usize {
        self.set.len()
    }
    fn height(&self) -> usize {
        28
    }
    fn width(&self) -> usize {
        28
    }
    fn channels(&self) -> usize {
        1
    }
    fn class_names(&self) -> &[String] {
        self.set.class_names()
    }
    fn read(&self, index: usize, _crop: Crop<'_>, pixels: &mut [u8]) -> Result<(), PictureError> {
        let image = self.set.image(index)?;
        let mirrored = |y: usize, x: usize| image[28 * y + if self.mirror { 27 - x } else { x }];
        // A place outside is reflected: pixel 1 for -1, and pixel 26 for 28.
        let inside = |at: i32| {
            [1, 26, at][if at < 0 {
                0
            } else if at > 27 {
                1
            } else {
                2
            }] as usize
        };
        for (place, pixel) in pixels.iter_mut().enumerate() {
            let [y, x] = [place / 28, place % 28].map(|at| inside(at as i32 - self.by));
            *pixel = mirrored(y, x);
        }
        Ok(())
    }
    fn label(&self, index: usize) -> u32 {
        self.set.label(index)
    }
    fn normalization(&self) -> &Normalization {
        self.set.normalization()
    }
}

fn images(set: &dyn Dataset) -> Vec<u8> {
    (0..set.len()).flat_map(|index| set.image(index).unwrap()).collect()
}

/// What an evaluation averages is what evaluations of the single variants give, for images in bytes and floats; so is a prediction.
#[test]
fn an_average_over_variants_is_that_of_their_evaluations() {
    // The last batch is not full.
    let test: Arc<dyn Dataset> = Arc::new(View::spread(mnist::builtin().unwrap().test, 100));
    let moved = |mirror, by| -> Arc<dyn Dataset> { Arc::new(Moved { set: Arc::clone(&test), mirror, by }) };
    let device = Device::find("cpu").unwrap();
    for file in FILES {
        let trained = Trained::read(Path::new(file), None).unwrap();
        let mut session = device.session(&trained, 32, [28, 28]).unwrap();
        for (words, parts) in [
            ("flip", vec![(false, 0, 0.5), (true, 0, 0.5)]),
            ("shift", vec![(false, 0, 0.5), (false, -1, 0.25), (false, 1, 0.25)]),
            (
                "flip,shift",
                [false, true]
                    .iter()
                    .flat_map(|&mirror| [(mirror, 0, 0.25), (mirror, -1, 0.125), (mirror, 1, 0.125)])
                    .collect(),
            ),
        ] {
            let augmentation: TestAugmentation = words.parse().unwrap();
            let loader = Loader::evaluate(Arc::clone(&test), 32).unwrap();
            let found = session.evaluate_augmented(&loader, augmentation, |_, _| {}).unwrap();
            let predicted = session.predict_augmented(&images(&*test), augmentation).unwrap().concat();
            let mut expected = vec![0.0f64; 1000];
            for &(mirror, by, weight) in &parts {
                let loader = Loader::evaluate(moved(mirror, by), 32).unwrap();
                let one = session.evaluate(&loader, |_, _| {}).unwrap();
                for (sum, p) in expected.iter_mut().zip(&one.answers.probs) {
                    *sum += weight * f64::from(*p);
                }
            }
            // Sums of at most six products in f32.
            for (what, probs) in [("evaluated", &found.answers.probs), ("predicted", &predicted)] {
                assert_eq!(probs.len(), 1000);
                let error = probs.iter().zip(&expected).map(|(p, e)| (f64::from(*p) - e).abs());
                let worst = error.reduce(f64::max).unwrap();
                assert!(worst <= 6.0 * f64::from(f32::EPSILON), "{file} {words} {what}: {worst}");
            }
            let labels: Vec<usize> = (0..100).map(|index| test.label(index) as usize).collect();
            let rows = || expected.chunks_exact(10).zip(&labels);
            let right = rows().filter(|(row, label)| row.iter().all(|p| *p <= row[**label])).count();
            assert_eq!(found.sums.correct, right as u64, "{file} {words}");
            let loss = rows().map(|(row, label)| -row[*label].ln()).sum::<f64>() / 100.0;
            assert!((found.loss() - loss).abs() <= 1e-6 * loss.max(1.0), "{file} {words}: {loss}");
        }
    }
}

#[test]
fn characters_are_not_mirrored() {
    let folder = tempdir().unwrap();
    for command in ["eval --device cpu", "predict --device cpu none.png"] {
        for value in ["flip", "flip,shift"] {
            let line = format!("{command} --tta {value}");
            command::fail(folder.path(), &words(&line), 2, &["--tta", "mirror", "--tta shift"]);
        }
    }
    command::fail(folder.path(), &words("eval --tta turn"), 2, &["turn", "flip,shift"]);
}

/// A temperature changes probabilities and nothing else, in floats and in 8-bit integers, and can be taken back.
#[test]
fn a_temperature_in_a_file_changes_probabilities_only() {
    let folder = tempdir().unwrap();
    let test = View::spread(mnist::builtin().unwrap().test, 20);
    let images = images(&test);
    let device = Device::find("cpu").unwrap();
    let predict = |path: &Path| {
        let trained = Trained::read(path, None).unwrap();
        let mut session = device.session(&trained, 8, [28, 28]).unwrap();
        (trained.info().temperature, session.predict(&images).unwrap())
    };
    for file in FILES {
        let path = folder.path().join("weights.safetensors");
        fs::copy(file, &path).unwrap();
        write_temperature(&path, None).unwrap();
        let (without, before) = (fs::read(&path).unwrap(), predict(&path));
        assert_eq!(before.0, None);
        write_temperature(&path, Some(2.5)).unwrap();
        let after = predict(&path);
        assert_eq!(after.0, Some(2.5));
        let mut expected = before.1;
        expected.iter_mut().for_each(|probs| temper(probs, 2.5));
        assert_eq!(after.1, expected);
        write_temperature(&path, None).unwrap();
        assert!(fs::read(&path).unwrap() == without, "the file as it was");
        write_temperature(&path, Some(-1.0)).unwrap();
        let error = Trained::read(&path, None).unwrap_err().to_string();
        assert!(error.contains("temperature of -1"), "{error}");
    }
}

/// `vgg train` ends with a temperature, `vgg eval` says what it changes, `--calibrate` finds it again, and the accuracy stays.
#[test]
fn training_finds_a_temperature_and_eval_reports_it() {
    let folder = tempdir().unwrap();
    let here = folder.path();
    let tiny =
        "train --device cpu --recipe quick --width 0.125 --hidden 32 --dropout 0 --batch-size 32 --steps 150";
    for (flags, set) in [("", "10,000 test images"), ("--val-fraction 0.05", "2,996 validation images")] {
        let run = if flags.is_empty() { "plain" } else { "validated" };
        let line = format!("{tiny} {flags} --output-dir {run}");
        let shown = text(&command::succeed(here, &line.split_whitespace().collect::<Vec<_>>()).stdout);
        let confidence = shown.lines().find(|line| line.starts_with("confidence temperature ")).unwrap();
        assert!(confidence.contains(set), "{confidence}");
        let path = format!("{run}/best.safetensors");
        let temperature = Weights::read(&here.join(&path), None).unwrap().info.temperature.unwrap();
        assert!(confidence.contains(&format!("temperature {temperature:.3},")), "{confidence}");
        let html = fs::read_to_string(here.join(run).join("report.html")).unwrap();
        assert!(html.contains("calibration error") && html.contains(&format!("{temperature:.3}")), "{html}");
        let eval = |flags: &str| {
            let line = format!("eval --device cpu --json --weights {path} {flags}");
            let output = command::succeed(here, &line.split_whitespace().collect::<Vec<_>>());
            serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
        };
        let before = eval("");
        let number = |json: &serde_json::Value, name: &str| json[name].as_f64().unwrap();
        assert_eq!(number(&before, "temperature"), temperature);
        assert!(number(&before, "calibrated_loss") < number(&before, "loss"), "{before}");
        let after = eval("--calibrate");
        assert_eq!(before["accuracy"], after["accuracy"]);
        assert_eq!(before["loss"], after["loss"]);
        let again = eval("");
        assert_eq!(again, after);
        if flags.is_empty() {
            // The same images on the same weights.
            assert_eq!(number(&after, "temperature"), temperature);
        }
        assert!(number(&after, "calibrated_loss") <= number(&before, "calibrated_loss"), "{after}");
    }
    let line = "eval --device cpu --calibrate --weights plain/checkpoint.safetensors";
    command::fail(here, &words(line), 1, &["checkpoint", "best.safetensors"]);
    command::fail(here, &words("eval --calibrate"), 2, &["--weights"]);
}
