//! `vgg bench`, `vgg profile` and `vgg train --capture` as a person types them.
//!
//! The capture needs an adapter and RenderDoc's `renderdoccmd` (`scripts/test` installs both where apt exists).
//! `VGG_SKIP_GPU=1` and `VGG_SKIP_RENDERDOC=1` skip, visibly.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use tempfile::tempdir;

use crate::support::{
    adapter,
    command::{self, run, text},
    synthetic::{DIGITS, digits},
};

/// A network so narrow that a few steps take a second.
const TINY: [&str; 8] = ["--recipe", "quick", "--width", "0.0625", "--hidden", "16", "--batch-size", "8"];

/// The command on the CPU device with the tiny network.
fn tiny<'a>(command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [command, "--device", "cpu"].into_iter().chain(TINY).chain(more.iter().copied()).collect()
}

/// The command's output.
#[track_caller]
fn succeed(folder: &Path, args: &[&str]) -> String {
    text(&command::succeed(folder, args).stdout)
}

/// The command fails and prints no result.
#[track_caller]
fn fail(folder: &Path, args: &[&str], code: i32, says: &[&str]) {
    assert!(command::fail(folder, args, code, says).stdout.is_empty(), "{args:?}");
}

#[track_caller]
fn json(text: &str) -> Value {
    // One object and nothing else.
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[track_caller]
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is not a number"))
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn bench_measures_and_compares_with_an_earlier_result() {
    let folder = tempdir().unwrap();
    let shown = succeed(folder.path(), &tiny("bench", &["--steps", "4", "--json"]));
    let result = json(&shown);
    assert_eq!(result["schema"], "vgg-bench/1");
    assert_eq!((&result["steps"], &result["settings"]["batch_size"]), (&4.into(), &8.into()));
    for key in ["step_ms", "images_per_second", "forward_ms", "backward_ms", "update_ms"] {
        let [min, p25, median, p75, max] =
            ["min", "p25", "median", "p75", "max"].map(|part| number(&result[key][part]));
        assert!(0.0 < min && min <= p25 && p25 <= median && median <= p75 && p75 <= max, "{key}: {result}");
    }
    let (step, rate) = (number(&result["step_ms"]["min"]), number(&result["images_per_second"]["max"]));
    assert!((step * rate / 8000.0 - 1.0).abs() < 1e-9, "eight images a step");
    let parts = result["start_s"].as_object().unwrap();
    let sum: f64 = parts.values().map(number).sum();
    assert_eq!(parts.len(), 4);
    let all = number(&result["start_to_first_step_s"]);
    assert!(sum <= all * 1.001 && sum >= all * 0.5, "{result}");
    assert!(files(folder.path()).is_empty(), "a measurement writes no files");

    // The same flags again, against twice the time.
    let mut slower = result.clone();
    slower["step_ms"]["median"] = (2.0 * number(&result["step_ms"]["median"])).into();
    slower["settings"]["dropout"] = 0.25.into();
    fs::write(folder.path().join("old.json"), slower.to_string()).unwrap();
    let args = tiny("bench", &["--steps", "2", "--baseline", "old.json", "--json"]);
    let output = run(folder.path(), &args);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("dropout: 0.25 there, 0.5 here"), "{}", text(&output.stderr));
    let again = json(&text(&output.stdout));
    let expected = number(&slower["step_ms"]["median"]) / number(&again["step_ms"]["median"]);
    // JSON's decimals may lose the last bit.
    assert!((number(&again["faster_than_baseline"]["step_ms"]) / expected - 1.0).abs() < 1e-9);
    let shown = succeed(folder.path(), &tiny("bench", &["--steps", "2", "--baseline", "old.json"]));
    for part in ["images/s", "forward", "start to first step", "times as fast", "step_ms"] {
        assert!(shown.contains(part), "no {part} in {shown}");
    }

    // A baseline that cannot be compared ends the command before anything is measured.
    let bench = |file: &'static str| tiny("bench", &["--baseline", file]);
    fail(folder.path(), &bench("absent.json"), 1, &["absent.json"]);
    fs::write(folder.path().join("text.json"), "fast").unwrap();
    fail(folder.path(), &bench("text.json"), 1, &["text.json", "not JSON", "vgg bench --json"]);
    fs::write(folder.path().join("other.json"), r#"{"schema": "vgg-bench/0"}"#).unwrap();
    fail(folder.path(), &bench("other.json"), 1, &["other.json", "vgg-bench/0", "vgg-bench/1"]);
    fs::write(folder.path().join("none.json"), "{}").unwrap();
    fail(folder.path(), &bench("none.json"), 1, &["none.json", "no schema"]);
    fs::write(folder.path().join("cut.json"), r#"{"schema": "vgg-bench/1"}"#).unwrap();
    fail(folder.path(), &bench("cut.json"), 1, &["cut.json", "not complete"]);
    let mut wider = result;
    wider["settings"]["batch_size"] = 16.into();
    fs::write(folder.path().join("wider.json"), wider.to_string()).unwrap();
    fail(folder.path(), &bench("wider.json"), 1, &["wider.json", "batch_size 16, not 8"]);
    fail(folder.path(), &tiny("bench", &["--submit-budget-ms", "0"]), 2, &["--submit-budget-ms", "above 0"]);
}

/// The rows of a profile fit together and cover the network.
#[track_caller]
fn check_profile(result: &Value, clock: &str) {
    assert_eq!((&result["schema"], &result["clock"]), (&"vgg-profile/1".into(), &clock.into()));
    let [peak, memory] = ["tflops", "gigabytes_per_second"].map(|key| number(&result["roofline"][key]));
    assert!(peak > 1e-4 && memory > 0.01, "{}", result["roofline"]);
    let rows = result["rows"].as_array().unwrap();
    let sum: f64 = rows.iter().map(|row| number(&row["ms"])).sum();
    assert!((sum / number(&result["step_ms"]) - 1.0).abs() < 1e-9);
    for row in rows {
        let [ms, gflop, percent] = ["ms", "gflop", "percent_of_roofline"].map(|key| number(&row[key]));
        assert!(ms > 0.0 && percent.is_finite() && percent >= 0.0, "{row}");
        // No row can be farther below the roof than its arithmetic alone says.
        assert!(percent >= 100.0 * gflop / 1e3 / peak / (ms / 1e3) * (1.0 - 1e-9), "{row}");
        let dispatches = row["dispatches"].as_array().unwrap();
        let sum: f64 = dispatches.iter().map(|d| number(&d["ms"])).sum();
        assert!((sum / ms - 1.0).abs() < 1e-9, "{row}");
    }
    let find =
        |label: &str| rows.iter().find(|row| row["label"] == label).unwrap_or_else(|| panic!("no {label}"));
    let forward = find("conv1_2.forward");
    assert_eq!((&forward["layer"], &forward["pass"]), (&"conv1_2".into(), &"forward".into()));
    assert!(forward["kernel"].as_str().unwrap().starts_with("conv.forward/"));
    assert!(number(&forward["percent_of_roofline"]) > 0.0);
    find("conv5_3.grad_weight");
    find("fc2.update");
}

/// The trace is JSON as Chrome and Perfetto read it, one event for each dispatch, under the labels.
#[track_caller]
fn check_trace(path: &Path) {
    let trace = json(&fs::read_to_string(path).unwrap());
    let events: Vec<&Value> =
        trace["traceEvents"].as_array().unwrap().iter().filter(|event| event["ph"] == "X").collect();
    for name in ["conv1_2.forward", "conv1_2.grad_weight", "features.0.weight.update"] {
        assert!(events.iter().any(|event| event["name"] == name), "no {name}");
    }
    let begins: Vec<f64> = events.iter().map(|event| number(&event["ts"])).collect();
    assert!(begins.is_sorted() && events.iter().all(|event| number(&event["dur"]) > 0.0));
}

#[test]
fn profile_on_the_cpu_shows_layers_and_writes_the_requested_files() {
    let folder = tempdir().unwrap();
    let args = ["--steps", "2", "--json", "--trace", "trace.json", "--picture", "layers.svg"];
    let shown = succeed(folder.path(), &tiny("profile", &args));
    check_profile(&json(&shown), "host");
    check_trace(&folder.path().join("trace.json"));
    let picture = fs::read_to_string(folder.path().join("layers.svg")).unwrap();
    assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"));
    assert!(picture.contains("conv1_2") && picture.contains("FLOP/byte"));
    assert!(!picture.contains("NaN") && !picture.contains("inf"));
    assert_eq!(files(folder.path()), ["layers.svg", "trace.json"]);

    let shown = succeed(folder.path(), &tiny("profile", &["--steps", "1", "--all"]));
    for part in ["roofline", "conv1_2.forward", "all of backward", "the step", "GFLOP/s", "GB/s"] {
        assert!(shown.contains(part), "no {part} in {shown}");
    }
    let output = run(folder.path(), &tiny("profile", &["--steps", "1", "--trace", "no/such/file.json"]));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no/such/file.json") && text(&output.stdout).contains("conv1_2"));
}

#[test]
fn profile_on_an_adapter_reads_its_clock() {
    let Some(adapter) = adapter::adapter() else { return };
    let folder = tempdir().unwrap();
    let device = adapter.info().index.to_string();
    let args = ["profile", "--device", &device, "--steps", "2", "--json", "--trace", "trace.json"];
    let shown = succeed(folder.path(), &[&args[..], &TINY[..]].concat());
    let clock = if adapter.info().features.timestamps { "device" } else { "host" };
    check_profile(&json(&shown), clock);
    check_trace(&folder.path().join("trace.json"));
}

#[test]
fn impossible_captures_are_refused_before_anything_is_trained() {
    let folder = tempdir().unwrap();
    let train = |device: &str, step: &str| {
        let args = ["train", "--device", device, "--steps", "3", "--capture", step];
        [&args[..], &TINY[..]].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let refused = |device: &str, step: &str, code: i32, says: &[&str]| {
        let args = train(device, step);
        fail(folder.path(), &args.iter().map(String::as_str).collect::<Vec<_>>(), code, says);
    };
    refused("cpu", "2", 2, &["--capture 2", "CPU", "--device"]);
    if let Some(adapter) = adapter::adapter() {
        let device = adapter.info().index.to_string();
        refused(&device, "4", 2, &["--capture 4", "1 to 3"]);
        refused(&device, "0", 2, &["--capture 0", "1 to 3"]);
        if cfg!(target_os = "linux") {
            refused(&device, "2", 1, &["--capture 2", "RenderDoc", "docs/profiling.md"]);
        }
    }
    assert!(files(folder.path()).is_empty(), "something was written");
}

/// RenderDoc gets one training step, with the labels that errors and profiles show too.
#[cfg(target_os = "linux")]
#[test]
fn a_captured_step_carries_the_labels() {
    use std::io::Write as _;

    let Some(adapter) = adapter::adapter() else { return };
    if std::env::var_os("VGG_SKIP_RENDERDOC").is_some_and(|v| v == "1") {
        // Past the test harness, which captures the macros' output.
        let _ = writeln!(std::io::stderr(), "skipped: VGG_SKIP_RENDERDOC=1");
        return;
    }
    assert!(
        Command::new("renderdoccmd").arg("version").output().is_ok(),
        "no renderdoccmd: run scripts/test, install RenderDoc (Debian: apt-get install renderdoc), or set \
         VGG_SKIP_RENDERDOC=1 to skip this test"
    );
    let folder = digits();
    let path = |name: &str| folder.path().join(name).into_os_string().into_string().unwrap();
    let (working, capture, device) = (path("."), path("step"), adapter.info().index.to_string());
    let vgg = cargo_bin("vgg").into_os_string().into_string().unwrap();
    let mut args = vec!["capture", "-w", "-d", &working, "-c", &capture, &vgg, "train", "--device", &device];
    args.extend(TINY);
    args.extend(DIGITS);
    args.extend(["--steps", "3", "--capture", "2", "--output-dir", "run"]);
    // In one submission, where a step of several dispatches is one pass.
    args.extend(["--submit-budget-ms", "1e7"]);
    let output = Command::new("renderdoccmd").args(&args).stdin(Stdio::null()).output().unwrap();
    let output_text = text(&output.stdout) + &text(&output.stderr);
    assert!(output_text.contains("captured  step 2"), "{output_text}");
    let written: Vec<String> =
        files(folder.path()).into_iter().filter(|name| name.ends_with(".rdc")).collect();
    assert_eq!(written.len(), 1, "one capture: {:?}\n{output_text}", files(folder.path()));
    let (from, to) = (path(&written[0]), path("step.zip.xml"));
    let args = ["convert", "-f", &from, "-i", "rdc", "-o", &to, "-c", "zip.xml"];
    let output = Command::new("renderdoccmd").args(args).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let xml = fs::read_to_string(to).unwrap();
    let labels: Vec<&str> = xml
        .lines()
        .filter(|line| line.contains("pLabelName"))
        .filter_map(|line| line.split_once('>')?.1.split_once('<'))
        .map(|(label, _)| label)
        .collect();
    for label in ["conv1_2.forward", "conv5_3.grad_weight", "conv1_2.grad_input", "features.0.weight.update"]
    {
        let count = labels.iter().filter(|&&l| l == label).count();
        assert_eq!(count, 1, "{label} is there {count} times, not once: {labels:?}");
    }
    assert!(!labels.iter().any(|label| label.starts_with("evaluate.")), "{labels:?}");
    assert!(xml.contains("vkCmdDispatch"));
}
