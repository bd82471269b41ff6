//! `--json`: one object on a line of standard output, whose fields say their units, and the figures of the text.

use serde_json::Value;

use crate::support::{
    command::{fail, succeed, text, words},
    synthetic::{DIGITS, digits},
};

const WEIGHTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/weights/quick.safetensors");
const SMALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/weights/small.safetensors");

/// Checks every name in an object.
#[track_caller]
fn check_names(value: &Value, within: &str) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                assert!(name.chars().all(snake), "{within}.{name}");
                check_names(value, &format!("{within}.{name}"));
            }
        }
        Value::Array(all) => all.iter().for_each(|value| check_names(value, within)),
        _ => {}
    }
}

#[test]
fn figures_are_printed_as_one_object() {
    let folder = digits();
    let here = folder.path();
    let object = |line: &str| -> Value {
        let output = succeed(here, &words(line));
        let shown = text(&output.stdout);
        assert_eq!(shown.matches('\n').count(), 1, "{line}: {shown}");
        let value: Value =
            serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{line}: {error}: {shown}"));
        assert!(value.is_object(), "{line}: {shown}");
        check_names(&value, line);
        value
    };
    let data = DIGITS.join(" ");
    let tiny = format!("--device cpu --recipe quick --width 0.0625 --hidden 16 --batch-size 16 {data}");

    let devices = object("devices --json");
    assert_eq!(devices["devices"][0]["device"], "cpu");

    let summary = object("summary --recipe quick --json");
    assert_eq!(summary["parameters"], 1_256_442);
    assert_eq!(summary["layers"][0]["output"], serde_json::json!([16, 28, 28]));
    let sum: u64 =
        summary["layers"].as_array().unwrap().iter().map(|l| l["forward_flop"].as_u64().unwrap()).sum();
    assert_eq!(summary["forward_flop"], sum);

    let plan = object(&format!("plan {tiny} --json"));
    assert_eq!(plan["batch_size"], 16);
    let predicted = object(&format!("plan --predict h200 --recipe report --json {data}"));
    let passes = predicted["passes"].as_array().unwrap();
    let ms: f64 = passes.iter().map(|pass| pass["ms"].as_f64().unwrap()).sum();
    assert!((ms / predicted["step_ms"].as_f64().unwrap() - 1.0).abs() < 1e-9, "{predicted}");
    assert!(passes.iter().any(|pass| pass["pass"] == "conv3_2.forward" && pass["kernel"] == "winograd4"));
    let split = "--variant conv.forward=direct --variant conv.forward=winograd4_split";
    let forced = object(&format!("plan --predict h200 --recipe report --json {split} {data}"));
    let kernels: Vec<_> = forced["passes"].as_array().unwrap().iter().map(|pass| &pass["kernel"]).collect();
    assert!(kernels.iter().filter(|&&kernel| kernel == "winograd4_split").count() == 12, "{kernels:?}");
    let planned = |role: &str| {
        let roles = plan["roles"].as_array().unwrap().iter();
        roles.filter(|row| row["role"] == role).map(|row| row["tensor_bytes"].as_u64().unwrap()).sum::<u64>()
    };
    let listed = plan["tensors"].as_array().unwrap().iter().filter(|tensor| tensor["role"] == "gradient");
    assert_eq!(listed.map(|tensor| tensor["bytes"].as_u64().unwrap()).sum::<u64>(), planned("gradient"));
    // What does not fit is refused after the figures.
    let output =
        fail(here, &words(&format!("plan {tiny} --memory 0.0001 --json")), 1, &["104.9 KiB are available"]);
    assert!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["largest_batch"].is_null());

    let trained = object(&format!("train {tiny} --steps 3 --output-dir run --json"));
    assert_eq!(trained["last_epoch"]["step"], 3);
    assert_eq!((&trained["judged_on"], &trained["seed"]), (&"test".into(), &0.into()));
    assert_eq!(trained["last_epoch"]["test_accuracy"], trained["test_accuracy"]);
    assert!(here.join(trained["weights"].as_str().unwrap()).is_file());
    assert!(here.join(trained["report"].as_str().unwrap()).is_file());
    let seeds = object(&format!("train {tiny} --steps 2 --seeds 3,4 --output-dir seeds --json"));
    assert_eq!((&seeds["seeds"][1]["seed"], seeds["seeds"].as_array().unwrap().len()), (&4.into(), 2));
    let mean = |name: &str| (0..2).map(|i| seeds["seeds"][i][name].as_f64().unwrap()).sum::<f64>() / 2.0;
    assert!((mean("test_loss") - seeds["mean_test_loss"].as_f64().unwrap()).abs() <= 1e-12);

    let eval = object(&format!("eval --device cpu {data} --json"));
    assert_eq!(eval["images"], 50);
    let shifted = object(&format!("eval --device cpu {data} --tta shift --json"));
    assert_eq!((&shifted["tta"], shifted["loss"] != eval["loss"]), (&"shift".into(), true));

    let bench = object(&format!("bench {tiny} --steps 2 --json"));
    assert!(bench["step_ms"]["median"].as_f64().unwrap() > 0.0);

    let pruned = object(&format!("prune --device cpu {data} --output pruned.safetensors --json"));
    assert!(pruned["parameters"].as_u64() < pruned["parameters_before"].as_u64());
    assert_eq!(pruned["layers"][0]["channels_before"], 16);
    assert!(pruned["after"]["accuracy"].is_f64());

    let flags = "--images 64 --output int8.safetensors --json";
    let quantized = object(&format!("quantize --device cpu {data} --weights {WEIGHTS} {flags}"));
    assert_eq!((&quantized["test_images"], quantized["layers"].as_array().unwrap().len()), (&50.into(), 16));
    assert!(quantized["same_answers"].as_u64().unwrap() <= 50);

    let files = object(&format!("compare --device cpu {data} --json {WEIGHTS} {SMALL}"));
    assert_eq!((&files["images"], &files["files"][0]["same_answers"]), (&50.into(), &1.0.into()));
    assert!(files["files"][1]["file_bytes"].as_u64().unwrap() < 100_000);
    let networks = object(&format!("compare {tiny} --steps 2 --json"));
    assert_eq!(
        (&networks["networks"][0]["name"], &networks["networks"][1]["name"]),
        (&"custom".into(), &"standard".into())
    );
    assert!(networks["networks"][1]["test_accuracy"].is_f64());

    let kernels = object("kernels --device discrete --recipe quick --json");
    let steps = kernels["kernels"].as_array().unwrap().iter().map(|row| row["steps"].as_u64().unwrap());
    assert!(steps.sum::<u64>() > 100);
}
