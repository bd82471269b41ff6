//! The scripts: they run, say what they do, and compare what this program gives them. No PyTorch, no Burn, no GPU.
//!
//! They are for Linux: a peer is stopped between its turns, and time limits are coreutils'.

#![cfg(target_os = "linux")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use assert_cmd::cargo::cargo_bin;
use tempfile::tempdir;

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name)
}

fn run(name: &str, arguments: &[&str]) -> Output {
    Command::new(script(name)).args(arguments).output().unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn succeed(name: &str, arguments: &[&str]) -> String {
    let output = run(name, arguments);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{name} {arguments:?}: {out}{err}");
    out
}

#[track_caller]
fn refuse(name: &str, arguments: &[&str], says: &str) {
    let output = run(name, arguments);
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{name} {arguments:?}: {err}");
    assert!(err.contains(says) && !err.contains("Traceback"), "{name} {arguments:?}: {err}");
}

#[test]
fn help_names_every_option() {
    let compare = succeed("compare", &["--help"]);
    for option in [
        "--device",
        "--cases",
        "--peers",
        "--rounds",
        "--steps",
        "--threads",
        "--cpu-time",
        "--burn-binary",
        "--json",
    ] {
        assert!(compare.contains(option), "{option} is missing in {compare}");
    }
    let bench = succeed("bench-gpu", &["--help"]);
    for option in
        ["--out", "--device", "--binary", "--burn-binary", "--seconds", "--parts", "--report", "--small"]
    {
        assert!(bench.contains(option), "{option} is missing in {bench}");
    }
}

#[test]
fn wrong_usage_is_refused() {
    refuse("compare", &["--cases", "full29"], "no case 'full29'");
    refuse("compare", &["--cases", "full28:0"], "no case 'full28:0'");
    refuse("compare", &["--peers", "burn,jax"], "'jax'");
    refuse("compare", &["--rounds", "0"], "--rounds");
    refuse("compare", &["--cpu-time", "--device", "vulkan"], "--cpu-time");
    refuse("compare", &["--binary", "no/such/vgg"], "no/such/vgg");
    refuse("bench-gpu", &["--frobnicate"], "--frobnicate");
    refuse("bench-gpu", &["--seconds", "soon"], "soon");
    refuse("bench-gpu", &["--binary", "no/such/vgg"], "no/such/vgg");
}

#[test]
fn a_comparison_without_peers() {
    let folder = tempdir().unwrap();
    let json = folder.path().join("figures.json");
    let (vgg, json_path) = (cargo_bin("vgg"), json.to_str().unwrap());
    let arguments =
        ["--binary", vgg.to_str().unwrap(), "--device", "cpu", "--cases", "tiny,tiny:8", "--peers", "none"];
    let short = ["--rounds", "2", "--steps", "2", "--no-checks", "--json", json_path];
    let out = succeed("compare", &[&arguments[..], &short].concat());
    assert!(out.contains("batch 8") && out.contains("vgg f32") && !out.contains("FAILED"), "{out}");
    let figures: serde_json::Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    for (case, batch) in [(0, 4), (1, 8)] {
        let case = &figures["cases"][case];
        assert_eq!(case["batch"], batch, "{figures}");
        let speeds = case["sides"][0]["images_per_second"].as_array().unwrap();
        assert!(speeds.len() == 2 && speeds.iter().all(|speed| speed.as_f64().unwrap() > 0.0), "{figures}");
    }
}

/// A part that fails does not stop the next, and the exit code tells.
#[test]
fn a_gpu_bench_goes_on_after_a_failure() {
    let folder = tempdir().unwrap();
    let (vgg, out) = (cargo_bin("vgg"), folder.path().to_str().unwrap());
    let arguments =
        ["--binary", vgg.to_str().unwrap(), "--out", out, "--small", "--device", "no such device"];
    let output = run("bench-gpu", &[&arguments[..], &["--parts", "devices,profile"]].concat());
    let summary = fs::read_to_string(folder.path().join("summary.txt")).unwrap();
    assert_eq!(output.status.code(), Some(1), "{summary}");
    for line in ["devices: passed", "profile: FAILED with exit code", "total: "] {
        assert!(summary.contains(line), "no {line:?} in {summary}");
    }
}
