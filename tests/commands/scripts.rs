//! The scripts: they run, their help is complete, and they measure what they claim. No PyTorch, no Burn, no GPU.
//!
//! Most of these run a program in place of `vgg` that records its arguments and answers at once. The scripts are for Linux:
//! peers are stopped between their turns by signals, and time limits need coreutils.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use tempfile::{TempDir, tempdir};
use vgg_wgpu::kernels;

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

/// A fake `vgg` on a hardware GPU, which passes and fails as the environment says.
const FAKE: &str = r#"#!/usr/bin/env bash
printf '%s\t' "$@" >>"$FAKE_LOG"; echo >>"$FAKE_LOG"
for word in "$@"; do case $word in -*) ;; *) break ;; esac; done
units='"matrix_units_failure": "linear.forward: NaN",'
[ -n "${FAKE_UNITS_FAIL:-}" ] || units=
echo "a first line of $word" >&2
[ "${FAKE_HANG:-}" = "$word" ] && exec sleep 60
case $word in
    plan) echo 'device    Fake [discrete GPU, Vulkan] (as requested)' >&2 ;;
    bench)
        [ "$(grep -c 'bench' "$FAKE_LOG")" -gt "${FAKE_ANSWERS:-1000}" ] && exec sleep 60
        echo '{"device": "Fake [discrete GPU, Vulkan]", "driver": "fake 1", "parameters": 1, "memory_bytes": 1,' "$units" \
            '"start_to_first_step_s": 1, "first_loss": 2.3, "last_loss": 2.2, "step_ms": {"mean": 10},' \
            '"forward_ms": {"median": 3}, "backward_ms": {"median": 6}, "update_ms": {"median": 1}}' ;;
    profile) [ -z "$units" ] || echo 'kernels: f16 without the matrix units, which fail their self-test: linear.forward: NaN' ;;
    verify) [ -z "${FAKE_WRONG:-}" ] || { echo '1 of 108 variants FAILED'; echo 'not on this device: none'; exit 1; } ;;
esac
"#;

/// A fake Burn: a step takes 10 ms, and the loss falls.
const FAKE_PEER: &str = r#"#!/usr/bin/env bash
loss=9
echo '{"device": "Fake", "seconds": 1, "loss": 9.5}'
while read -r steps; do
    echo "$steps" >>"$FAKE_LOG"
    echo "{\"seconds\": 0.$(printf '%02d' "$steps"), \"loss\": $((loss--))}"
done
"#;

const CARGO: &str = "#!/bin/sh\necho CARGO WAS CALLED >>\"$FAKE_LOG\"\nexit 1\n";

/// A Python module that is missing.
const NO_TORCH: &str = "raise ImportError('no such thing here')\n";

/// A PyTorch that has a GPU but cannot use it.
const USELESS_TORCH: &str = "class cuda:\n    is_available = staticmethod(lambda: True)\n";

/// A folder with the fakes, the log of their arguments, and a `cargo` that must not be called.
struct Fake {
    folder: TempDir,
}

impl Fake {
    fn new() -> Self {
        let fake = Self { folder: tempdir().unwrap() };
        fs::create_dir(fake.path("bin")).unwrap();
        for (name, text) in [("vgg", FAKE), ("peer", FAKE_PEER), ("bin/cargo", CARGO)] {
            fs::write(fake.path(name), text).unwrap();
            fs::set_permissions(fake.path(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        fake.torch(NO_TORCH)
    }

    fn torch(self, module: &str) -> Self {
        fs::write(self.path("torch.py"), module).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A script with the fakes, from a folder that has nothing else.
    fn command(&self, script: impl AsRef<Path>, arguments: &[&str]) -> Command {
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(script.as_ref());
        command.arg("--binary").arg(self.path("vgg")).args(arguments);
        command.env("FAKE_LOG", self.path("log")).env("PYTHONPATH", self.folder.path()).env("PATH", path);
        command.env("PYTHONDONTWRITEBYTECODE", "1").current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// The arguments of the fake's calls, in order.
    fn asked(&self) -> Vec<Vec<String>> {
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        log.lines().map(|line| line.split_terminator('\t').map(str::to_owned).collect()).collect()
    }

    /// The lines of the file of turns of one kind.
    fn lines(&self, file: &str, kind: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(file)).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter_map(|line| line.get(kind).cloned()).collect()
    }
}

fn value_of<'a>(command: &'a [String], flag: &str) -> Option<&'a str> {
    command.iter().position(|word| word == flag).map(|at| command[at + 1].as_str())
}

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn help_names_every_option() {
    let compare = succeed("compare", &["--help"]);
    for option in [
        "--device",
        "--cases",
        "--precision",
        "--with",
        "--peers",
        "--rounds",
        "--steps",
        "--threads",
        "--cpu-time",
        "--burn-binary",
        "--no-install",
        "--turns",
    ] {
        assert!(compare.contains(option), "{option} is missing in {compare}");
    }
    let bench = succeed("bench-gpu", &["--help"]);
    for option in [
        "--out",
        "--device",
        "--binary",
        "--burn-binary",
        "--seconds",
        "--parts",
        "--ab",
        "--small",
        "--print",
        "--pack",
    ] {
        assert!(bench.contains(option), "{option} is missing in {bench}");
    }
}

#[test]
fn wrong_usage_is_refused() {
    refuse("compare", &["--cases", "full29"], "no case 'full29'");
    refuse("compare", &["--cases", "full28:0"], "no case 'full28:0'");
    refuse("compare", &["--peers", "burn,jax"], "'jax'");
    refuse("compare", &["--precision", "f16"], "'f16'");
    refuse("compare", &["--rounds", "0"], "--rounds");
    refuse("compare", &["--with", "short"], "'short' is not LABEL=FLAGS");
    refuse("compare", &["--with", "short= "], "is not LABEL=FLAGS");
    refuse("compare", &["--with", "open=--tuning 'a"], "quotation");
    refuse("compare", &["--cpu-time", "--device", "vulkan"], "--cpu-time");
    refuse("compare", &["--cpu-time", "--device", "cpu", "--with", "a=-q"], "--with");
    refuse("compare", &["--binary", "no/such/vgg"], "no/such/vgg");
    refuse("bench-gpu", &["--frobnicate"], "--frobnicate");
    refuse("bench-gpu", &["--out"], "--out");
    refuse("bench-gpu", &["--seconds", "soon"], "soon");
    refuse("bench-gpu", &["--seconds", "0"], "--seconds");
    refuse("bench-gpu", &["--parts", "verify,tune"], "no part tune");
    refuse("bench-gpu", &["--ab", "short"], "LABEL=FLAGS, not short");
    refuse("bench-gpu", &["--binary", "no/such/vgg"], "no/such/vgg");
    refuse("bench-gpu", &["--burn-binary", "no/such/burn"], "no/such/burn");
}

#[test]
fn a_comparison_without_peers() {
    let folder = tempdir().unwrap();
    let turns = folder.path().join("turns.jsonl");
    let (vgg, path) = (cargo_bin("vgg"), turns.to_str().unwrap());
    let arguments =
        ["--binary", vgg.to_str().unwrap(), "--device", "cpu", "--cases", "tiny,tiny:8", "--peers", "none"];
    let short = ["--rounds", "2", "--steps", "2", "--no-checks", "--turns", path];
    let out = succeed("compare", &[&arguments[..], &short].concat());
    assert!(out.contains("batch 8") && out.contains("vgg f32") && !out.contains("FAILED"), "{out}");
    let lines = fs::read_to_string(turns).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines[0]["run"]["device"].as_str().unwrap().starts_with("CPU,"), "{out}");
    let of = |turn: &Value| (turn["batch"].as_u64().unwrap(), turn["turn"].as_u64().unwrap());
    let turns: Vec<&Value> = lines[1..].iter().map(|line| &line["turn"]).collect();
    let expected = [(4, 0), (4, 1), (4, 2), (8, 0), (8, 1), (8, 2)];
    assert_eq!(turns.iter().map(|turn| of(turn)).collect::<Vec<_>>(), expected);
    for turn in turns {
        assert!(turn["images_per_second"].as_f64().unwrap() > 0.0 && turn["failure"] == "", "{turn}");
        assert!(turn["answer"]["step_ms"]["median"].as_f64().unwrap() > 0.0, "{turn}");
    }
}

/// Each side of ours runs with the precision that its name says.
#[test]
fn a_side_runs_in_the_precision_of_its_name() {
    let fake = Fake::new();
    let short = ["--peers", "none", "--cases", "tiny", "--rounds", "1", "--no-checks", "--turns", "turns"];
    let with = ["--with", "short=--submit-budget-ms 20 --variant 'conv.forward=blocked'"];
    // On a hardware GPU both precisions are the default.
    let output = fake.command(script("compare"), &[&short[..], &with].concat()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let sides = ["vgg f32", "vgg f32 short", "vgg mixed", "vgg mixed short"];
    let turns = fake.lines("turns", "turn");
    assert_eq!(turns.len(), 2 * sides.len());
    // The first call asks for the device.
    for (asked, turn) in fake.asked()[1..].iter().zip(&turns) {
        let side = turn["side"].as_str().unwrap();
        assert!(sides.contains(&side), "{side}");
        let precision = if side.contains("mixed") { "mixed" } else { "f32" };
        assert_eq!(value_of(asked, "--precision"), Some(precision), "{side}: {asked:?}");
        let short = side.ends_with("short");
        assert_eq!(value_of(asked, "--submit-budget-ms"), short.then_some("20"), "{side}: {asked:?}");
        assert_eq!(
            value_of(asked, "--variant"),
            short.then_some("conv.forward=blocked"),
            "{side}: {asked:?}"
        );
    }
    let out = text(&output.stdout);
    assert!(sides.iter().all(|side| out.contains(side)), "{out}");
    assert!(
        out.contains("vgg f32 / it") && !out.contains("short / it"),
        "compared with the plain sides: {out}"
    );
}

/// All measurements are in the file and in the table when a side is given up and when a signal ends the run.
#[test]
fn a_limit_or_a_signal_loses_no_turn() {
    let arguments =
        ["--peers", "none", "--cases", "tiny", "--precision", "f32", "--no-checks", "--turns", "turns"];
    let with = ["--with", "short=--submit-budget-ms 20"];
    // A start and a first turn of each side; then no more answers.
    let run = |limit: &str| {
        let fake = Fake::new();
        let mut command =
            fake.command(script("compare"), &[&arguments[..], &with, &["--limit", limit]].concat());
        let child =
            command.env("FAKE_ANSWERS", "4").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        (fake, child)
    };
    let (fake, child) = run("6");
    let output = child.wait_with_output().unwrap();
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{out}");
    let turns = fake.lines("turns", "turn");
    assert_eq!(turns.iter().filter(|turn| turn["images_per_second"] == 400.0).count(), 4, "{turns:?}");
    assert_eq!(turns.iter().filter(|turn| turn["failure"] == "no answer within 6 s").count(), 2, "{turns:?}");
    assert_eq!(out.matches("400 (400 to 400)").count(), 2, "{out}");
    assert!(out.contains("vgg f32 short FAILED after turn 1: no answer within 6 s"), "{out}");

    let (fake, child) = run("600");
    let begin = Instant::now();
    while fake.asked().len() < 6 {
        assert!(begin.elapsed() < Duration::from_secs(100), "{:?}", fake.asked());
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(fake.lines("turns", "turn").len(), 4, "a line for each turn, before the next begins");
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{out}");
    assert_eq!(out.matches("400 (400 to 400)").count(), 2, "{out}");
    assert!(text(&output.stderr).contains("SIGTERM"), "{}", text(&output.stderr));
}

/// Warm-up steps before the counted ones: one before the pace is known, then as many as `vgg bench` has.
#[test]
fn a_peer_takes_turns_and_warms_up() {
    let fake = Fake::new();
    let (peer, arguments) = (fake.path("peer"), ["--peers", "burn", "--cases", "tiny", "--rounds", "2"]);
    let more =
        ["--precision", "f32", "--no-checks", "--turns", "turns", "--burn-binary", peer.to_str().unwrap()];
    let output = fake.command(script("compare"), &[&arguments[..], &more].concat()).output().unwrap();
    let out = text(&output.stdout);
    assert!(output.status.success(), "{out}{}", text(&output.stderr));
    let steps: Vec<String> =
        fake.asked().into_iter().filter(|command| command.len() == 1).flatten().collect();
    assert_eq!(steps, ["1", "1", "5", "10", "5", "10"]);
    let turns = fake.lines("turns", "turn");
    let sides: Vec<&str> = turns.iter().map(|turn| turn["side"].as_str().unwrap()).collect();
    assert_eq!(sides, ["vgg f32", "vgg f32", "Burn vulkan", "Burn vulkan", "vgg f32", "Burn vulkan"]);
    assert!(turns.iter().all(|turn| turn["images_per_second"] == 400.0), "{turns:?}");
    assert!(out.contains("1.00 (1.00 to 1.00)"), "{out}");
}

#[test]
fn pytorch_runs_in_four_modes_on_a_gpu_and_its_failure_costs_the_others_nothing() {
    let fake = Fake::new().torch(USELESS_TORCH);
    let arguments = ["--peers", "torch", "--no-install", "--cases", "tiny", "--rounds", "1", "--no-checks"];
    let output = fake.command(script("compare"), &arguments).output().unwrap();
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{out}");
    for mode in ["f32", "channels_last", "tf32", "amp"] {
        assert!(out.contains(&format!("PyTorch cuda {mode} FAILED: exit code 1")), "{mode}: {out}");
    }
    assert_eq!(out.matches("400 (400 to 400)").count(), 2, "{out}");
}

const PARTS: [&str; 12] = [
    "facts",
    "verify",
    "profile-f32",
    "profile-mixed",
    "compare-224",
    "ab-f32",
    "ab-mixed",
    "registers",
    "compare-28",
    "integers",
    "report",
    "verify-full",
];

#[test]
fn a_gpu_bench_has_its_most_useful_parts_first() {
    let fake = Fake::new();
    let arguments = ["--print", "--seconds", "270", "--out", "results"];
    let output = fake.command(script("bench-gpu"), &arguments).output().unwrap();
    let plan = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let parts: Vec<&str> = plan.lines().map(|line| line.split_once(',').unwrap().0).collect();
    assert_eq!(parts, PARTS);
    for (part, says) in [
        ("verify", "75 s, to verify.txt: "),
        ("verify", "verify --quick"),
        ("profile-f32", "--precision f32"),
        ("profile-mixed", "--precision mixed"),
        ("compare-224", "120 s, to compare.txt: "),
        ("report", "the rest, to report.txt: "),
    ] {
        let line = plan.lines().find(|line| line.starts_with(&format!("{part},"))).unwrap();
        assert!(line.contains(says), "no {says:?} in {line}");
    }
    assert!(fake.asked().is_empty() && !fake.path("results").exists(), "nothing runs and nothing is written");
    let output =
        fake.command(script("bench-gpu"), &["--print", "--parts", "report,profile-mixed"]).output().unwrap();
    let plan = text(&output.stdout);
    let parts: Vec<&str> = plan.lines().map(|line| line.split_once(',').unwrap().0).collect();
    assert_eq!(parts, ["profile-mixed", "report"]);
}

/// From a packed folder, with neither Rust nor PyTorch: every part runs, with flags that this program has.
#[test]
fn a_packed_gpu_bench_runs_every_part() {
    let fake = Fake::new();
    let (vgg, packed) = (cargo_bin("vgg"), fake.path("packed"));
    let pack = ["--binary", vgg.to_str().unwrap(), "--pack", packed.to_str().unwrap()];
    succeed("bench-gpu", &pack);
    let bytes = |path: &Path| fs::metadata(path).unwrap().len();
    assert!(bytes(&packed.join("vgg")) <= bytes(&vgg), "it is stripped, as release builds are already");
    assert!(bytes(&packed.join("vgg")) < 48 << 20, "with the data that comes along it fits 64 MiB");
    assert!(Command::new(packed.join("vgg")).arg("--version").output().unwrap().status.success());

    let arguments = ["--out", "results", "--ab", "tuned=--tuning off"];
    let output = fake.command(packed.join("scripts/bench-gpu"), &arguments).output().unwrap();
    let summary = fs::read_to_string(fake.path("results/summary.txt")).unwrap();
    assert!(output.status.success(), "{summary}{}", text(&output.stderr));
    for part in PARTS {
        assert!(summary.contains(&format!("\n{part}: passed in ")), "{part}: {summary}");
    }
    for left_out in ["left out: burn: ", "left out: torch: ", "left out: registers: "] {
        assert_eq!(summary.matches(left_out).count(), 1, "{left_out}: {summary}");
    }
    assert!(!summary.contains("MATRIX UNITS") && !summary.contains("DID NOT PASS"), "{summary}");
    let files = names(&fake.path("results"));
    let expected = ["compare", "facts", "profile", "registers", "report", "summary", "verify"]
        .map(|name| format!("{name}.txt"));
    assert_eq!(files, expected.into_iter().chain(["turns.jsonl".to_owned()]).collect());
    let turns = fake.lines("results/turns.jsonl", "turn");
    for side in [
        "vgg f32 tuned",
        "vgg f32 winograd2",
        "vgg f32 split",
        "vgg f32 one-submission",
        "vgg mixed tuned",
        "vgg mixed no-matrix-units",
        "vgg mixed split-gradients",
    ] {
        assert!(turns.iter().any(|turn| turn["side"] == side && turn["case"] == "full224"), "{side}");
    }

    let asked: BTreeSet<Vec<String>> = fake.asked().into_iter().collect();
    assert!(asked.iter().any(|command| command.contains(&"--variant".to_owned())));
    for mut command in asked {
        assert!(!command.contains(&"CARGO WAS CALLED".to_owned()), "a built program is all that it needs");
        let rows = command.windows(2).filter(|pair| pair[0] == "--variant");
        let rows: Vec<_> = rows.map(|pair| pair[1].split_once('=').unwrap()).collect();
        kernels::exist(
            &rows.iter().map(|(op, name)| ((*op).to_owned(), (*name).to_owned())).collect::<Vec<_>>(),
        )
        .unwrap();
        command.push("--help".to_owned());
        let output = Command::new(&vgg).args(&command).output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    }
    let wrong = Command::new(&vgg).args(["bench", "--no-such-flag", "--help"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2), "--help does not hide a flag that does not exist");
}

/// Wrong kernels and failing matrix units are named in the summary, and everything else still runs.
#[test]
fn a_gpu_bench_says_what_is_wrong_and_continues() {
    let fake = Fake::new();
    let mut command = fake.command(script("bench-gpu"), &["--out", "results", "--small"]);
    let output = command.env("FAKE_WRONG", "1").env("FAKE_UNITS_FAIL", "1").output().unwrap();
    let summary = fs::read_to_string(fake.path("results/summary.txt")).unwrap();
    assert_eq!(output.status.code(), Some(1), "{summary}");
    for line in [
        "verify: FAILED with exit code 1",
        ": 1 of 108 variants FAILED\n",
        "VERIFY DID NOT PASS",
        "MATRIX UNITS NOT USED",
    ] {
        assert!(summary.contains(line), "no {line:?} in {summary}");
    }
    assert_eq!(summary.matches(": passed in ").count(), PARTS.len() - 2, "{summary}");
    let tables = fs::read_to_string(fake.path("results/compare.txt")).unwrap();
    assert!(tables.contains("vgg mixed: MATRIX UNITS NOT USED"), "{tables}");
}

/// A part that hangs is stopped, its output stays, and all parts together keep to the time limit.
#[test]
fn a_gpu_bench_keeps_to_its_time() {
    let fake = Fake::new();
    let run = |parts: &str, seconds: &str, hangs: &str| {
        let arguments = ["--out", "results", "--parts", parts, "--seconds", seconds];
        let begin = Instant::now();
        let output = fake.command(script("bench-gpu"), &arguments).env("FAKE_HANG", hangs).output().unwrap();
        let summary = fs::read_to_string(fake.path("results/summary.txt")).unwrap();
        fs::remove_file(fake.path("results/summary.txt")).unwrap();
        assert!(begin.elapsed() < Duration::from_secs(seconds.parse::<u64>().unwrap() + 10), "{summary}");
        (output.status.code(), summary)
    };
    let (code, summary) = run("facts,verify,report,verify-full", "54", "devices");
    assert_eq!(code, Some(1), "{summary}");
    for line in ["facts: stopped after 3 s; ", "verify: passed", "report: passed", "verify-full: passed"] {
        assert!(summary.contains(line), "no {line:?} in {summary}");
    }
    let facts = fs::read_to_string(fake.path("results/facts.txt")).unwrap();
    assert!(facts.contains("a first line of devices"), "{facts}");

    // A signal ends the running part and the whole script.
    let arguments = ["--out", "results", "--parts", "verify,report"];
    let mut child = fake.command(script("bench-gpu"), &arguments).env("FAKE_HANG", "verify").spawn().unwrap();
    let begin = Instant::now();
    let output = || fs::read_to_string(fake.path("results/verify.txt")).unwrap_or_default();
    while output().matches("a first line of verify").count() < 3 {
        assert!(begin.elapsed() < Duration::from_secs(100), "{}", output());
        thread::sleep(Duration::from_millis(50));
    }
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let summary = fs::read_to_string(fake.path("results/summary.txt")).unwrap();
    assert!(summary.contains("verify: stopped by a signal") && !summary.contains("report"), "{summary}");
    assert!(begin.elapsed() < Duration::from_secs(60), "it did not wait for the part");
    fs::remove_file(fake.path("results/summary.txt")).unwrap();

    // The recipe takes the remaining time, and reaching the limit is not a failure.
    let (code, summary) = run("report,verify-full", "14", "train");
    assert_eq!(code, Some(0), "{summary}");
    assert!(
        summary.contains("report: stopped after ") && summary.contains("verify-full: left out"),
        "{summary}"
    );
}
