//! A user's defaults: environment variables and the configuration file, and `vgg settings`, which shows them.

use std::fs;

use serde_json::Value;
use tempfile::tempdir;

use crate::support::command::{text, vgg};

/// The rows of `vgg settings --json` with these variables, by key: value and origin.
#[track_caller]
fn settings(
    folder: &std::path::Path,
    args: &[&str],
    variables: &[(&str, &str)],
) -> impl Fn(&str) -> (Value, String) {
    let all = [&["settings", "--json"], args].concat();
    let output = vgg(folder, &all).envs(variables.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    move |key| {
        let rows = shown["settings"].as_array().unwrap();
        let row = rows.iter().find(|row| row["key"] == key).unwrap_or_else(|| panic!("no {key} in {shown}"));
        (row["value"].clone(), row["from"].as_str().unwrap().to_owned())
    }
}

#[test]
fn flags_variables_file_and_recipe_take_precedence_in_this_order() {
    let folder = tempdir().unwrap();
    let here = folder.path();
    let file = here.join("config/vgg-wgpu/config.toml");
    let own = settings(here, &[], &[]);
    assert_eq!(own("batch_size"), (64.into(), "default".into()));
    assert_eq!(own("device"), ("auto".into(), "default".into()));

    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(
        &file,
        "device = \"cpu\"\nrecipe = \"fashion\"\nbatch_size = 32\nlr = 0.5\nepochs = 7\nmomentum = 0.5\n",
    )
    .unwrap();
    let path = file.to_str().unwrap();
    let row = settings(here, &["--epochs", "9"], &[("VGG_LR", "0.25")]);
    assert_eq!(row("device"), ("cpu".into(), path.into()));
    assert_eq!(row("recipe"), ("fashion".into(), path.into()));
    assert_eq!(row("batch_size"), (32.into(), path.into()));
    assert_eq!(row("lr"), (0.25.into(), "VGG_LR".into()));
    assert_eq!(row("epochs"), (9.into(), "--epochs".into()));
    assert_eq!(row("model_ema"), (true.into(), "recipe fashion".into()));
    // Adam has no momentum: a default without effect is unset, not refused.
    assert_eq!(row("momentum"), (Value::Null, "default".into()));
    let sgd = settings(here, &["--opt", "sgd", "--recipe", "quick"], &[]);
    assert_eq!(sgd("momentum"), (0.5.into(), path.into()));
    assert_eq!(sgd("recipe"), ("quick".into(), "--recipe".into()));
    let off = settings(here, &[], &[("VGG_CONFIG", "off")]);
    assert_eq!(off("batch_size"), (64.into(), "default".into()));

    // Other commands take them too, and say so.
    let summary =
        vgg(here, &["summary", "--recipe", "quick", "--json"]).env("VGG_WIDTH", "0.0625").output().unwrap();
    let said = text(&summary.stderr);
    assert!(said.contains("defaults  ") && said.contains("width 0.0625 (VGG_WIDTH)"), "{said}");
    let record: Value = serde_json::from_slice(&summary.stdout).unwrap();
    assert_eq!(record["layers"][0]["output"][0], 8, "{record}");
    let table = text(&vgg(here, &["settings"]).output().unwrap().stdout);
    assert!(table.contains("batch_size") && table.contains(path) && !table.contains("rotate"), "{table}");
}

#[test]
fn defaults_that_cannot_be_used_are_usage_errors() {
    let folder = tempdir().unwrap();
    let fail = |name: &str, value: &str, says: &[&str]| {
        let output = vgg(folder.path(), &["summary"]).env(name, value).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(says.iter().all(|part| said.contains(part)), "{said}");
    };
    fail("VGG_EPOCHS", "many", &["VGG_EPOCHS is \"many\"", "1 to 100000"]);
    fail("VGG_CONFIG", "nowhere.toml", &["nowhere.toml", "or off"]);
    fail("VGG_LR", "5000", &["lr is 5000", "1e-12 to 100", "lr 5000 (VGG_LR)"]);
    fs::write(folder.path().join("mine.toml"), "epoch = 3\n").unwrap();
    fail("VGG_CONFIG", "mine.toml", &["mine.toml", "did you mean \"epochs\"?"]);
}

/// Names that users bring along are understood, and a folder of weights stands for the file in it.
#[test]
fn other_names_of_settings_and_folders_of_weights_are_understood() {
    let folder = tempdir().unwrap();
    let lr = settings(folder.path(), &["--learning-rate", "0.5"], &[]);
    assert_eq!(lr("lr"), (0.5.into(), "--lr".into()));
    let weights = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/weights/small.safetensors");
    let run = folder.path().join("run");
    fs::create_dir(&run).unwrap();
    let predict = || {
        let picture = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/pictures/digit.png");
        vgg(folder.path(), &["predict", "--device", "cpu", "--weights", "run", picture]).output().unwrap()
    };
    let empty = predict();
    assert!(!empty.status.success() && text(&empty.stderr).contains("run"), "{}", text(&empty.stderr));
    fs::copy(weights, run.join("best.safetensors")).unwrap();
    let found = predict();
    assert!(found.status.success(), "{}", text(&found.stderr));
}
