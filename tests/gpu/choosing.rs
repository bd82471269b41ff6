//! `--variant`, `vgg verify`, `vgg tune` and `--tuning`, as a person types them.
//!
//! Needs an adapter; a software one will do (`scripts/test` installs one). `VGG_SKIP_GPU=1` skips, visibly.

use std::{fs, path::Path, process::Output};

use tempfile::tempdir;
use vgg_wgpu::{
    gpu::{Options, Requirements},
    kernels::{TABLE, Tuned},
    ops::{Conv, ConvForward, Op},
    program::Program,
    tune::{self, Source},
};

use crate::support::{adapter::adapter, command};

const TINY: [&str; 8] = ["--recipe", "quick", "--width", "0.0625", "--hidden", "16", "-b", "4"];

/// Runs a command with the cache folder in `folder`; its exit code, standard output and standard error.
fn vgg(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command::run(folder, args);
    let [stdout, stderr] = [stdout, stderr].map(|bytes| command::text(&bytes));
    assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
    (status.code(), stdout, stderr)
}

fn with<'a>(command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [command].into_iter().chain(TINY).chain(more.iter().copied()).collect()
}

#[test]
fn an_impossible_forced_variant_is_refused() {
    let folder = tempdir().unwrap();
    for (args, code, says) in [
        (
            with("train", &["--device", "cpu", "--variant", "conv.forward=tiled_64x64"]),
            2,
            "the CPU device, which has none",
        ),
        (
            with("bench", &["--device", "cpu", "--robust-buffers"]),
            2,
            "--robust-buffers concerns a GPU's driver",
        ),
        (vec!["verify", "--device", "cpu"], 2, "the CPU device has no kernels"),
        (vec!["verify", "--op", "conv.foward"], 2, "conv.forward"),
        (vec!["tune", "--seconds=-1"], 2, "--seconds"),
    ] {
        let (found, _, stderr) = vgg(folder.path(), &args);
        assert!(found == Some(code) && stderr.contains(says), "{args:?}: {found:?} {stderr}");
    }
    let Some(adapter) = adapter() else { return };
    let index = adapter.info().index.to_string();
    let device = ["--device", &index];
    for (variant, code, says) in [
        ("conv.forward=magic", 2, "conv.forward has no variant magic; it has tiled"),
        ("conv=lanes", 2, "no operation conv; there are"),
        ("conv.forward", 2, "give an operation and a variant"),
        // The first layer has one channel.
        ("conv.forward=blocked", 1, "conv1_1.forward: conv.forward/blocked cannot run"),
    ] {
        let args = with("plan", &[device[0], device[1], "--variant", variant]);
        let (found, _, stderr) = vgg(folder.path(), &args);
        assert!(found == Some(code) && stderr.contains(says), "{variant}: {found:?} {stderr}");
    }
    let both = ["--variant", "conv.forward=blocked", "--variant", "conv.forward=tiled_64x64"];
    let (code, _, stderr) = vgg(folder.path(), &with("plan", &[&device[..], &both].concat()));
    assert_eq!(code, Some(0), "{stderr}");
    let (code, _, stderr) =
        vgg(folder.path(), &with("plan", &[device[0], device[1], "--tuning", "missing.toml"]));
    assert!(code == Some(1) && stderr.contains("`vgg tune --tuning missing.toml` creates it"), "{stderr}");
}

#[test]
fn verify_lists_what_it_checked() {
    let Some(adapter) = adapter() else { return };
    let index = adapter.info().index.to_string();
    let folder = tempdir().unwrap();
    let all = ["verify", "--device", &index, "--op", "activation.forward", "--quick"];
    let (code, stdout, stderr) = vgg(folder.path(), &all);
    assert_eq!(code, Some(0), "{stderr}");
    let cells =
        |name| stdout.lines().find(|l| l.contains(name)).unwrap().split_whitespace().collect::<Vec<_>>();
    for row in ["vec4", "scalar"] {
        let [op, name, cases, worst, "%", "ok"] = cells(row)[..] else { panic!("{stdout}") };
        assert_eq!([op, name, cases], ["activation.forward", row, "4"]);
        // GELU and SiLU round.
        let worst: f64 = worst.parse().unwrap();
        assert!(worst > 0.0 && worst <= 100.0, "{worst} % of the tolerance");
    }
    assert!(stdout.contains("all 2 variants are within tolerance"), "{stdout}");
    let one = ["verify", "--device", &index, "--variant", "activation.forward=vec4"];
    let (_, stdout, _) = vgg(folder.path(), &one);
    assert!(stdout.contains("all 1 variants") && !stdout.contains("scalar"), "{stdout}");
    // Checking nothing is not a success.
    let nothing =
        ["verify", "--device", &index, "--op", "activation.forward", "--variant", "conv.forward=direct"];
    let (code, _, stderr) = vgg(folder.path(), &nothing);
    assert!(code == Some(2) && stderr.contains("nothing to check"), "{stderr}");
    if adapter.caps().matrix_units.is_none() {
        let absent = ["verify", "--device", &index, "--variant", "conv.forward=cooperative"];
        let (code, _, stderr) = vgg(folder.path(), &absent);
        assert!(code == Some(1) && stderr.contains("conv.forward=cooperative"), "{stderr}");
    }
}

/// Needs no adapter: the plan is for a discrete GPU.
#[test]
fn kernels_lists_the_rows_and_prints_what_runs() {
    let folder = tempdir().unwrap();
    let discrete = |more: &[&'static str]| with("kernels", &[&["--device", "discrete"], more].concat());
    let (code, stdout, stderr) = vgg(folder.path(), &discrete(&[]));
    assert_eq!(code, Some(0), "{stderr}");
    for row in vgg_wgpu::kernels::variants() {
        let listed = |line: &str| line.split_whitespace().take(2).eq([row.op, row.name]);
        assert!(stdout.lines().any(listed), "{row:?} is not listed");
    }
    let (_, stdout, _) = vgg(folder.path(), &discrete(&["--op", "activation.forward"]));
    let line = stdout.lines().find(|line| line.contains("vec4")).unwrap();
    // Two ReLUs of the classifier, in training and in evaluation.
    assert!(
        line.split_whitespace()
            .eq("activation.forward vec4 4 100 last extent divisible by 4".split_whitespace()),
        "{line}"
    );

    let print = "--print=conv.forward=tiled_128x64";
    let (code, stdout, stderr) = vgg(folder.path(), &discrete(&[print]));
    assert_eq!(code, Some(0), "{stderr}");
    for part in [
        "// conv.forward/tiled_128x64 for conv1_1.forward",
        "// ---- shaders/conv/forward_tiled.wgsl",
        "@compute",
    ] {
        assert!(stdout.contains(part), "{part} is not in {stdout}");
    }
    for (format, part) in [("hlsl", "numthreads"), ("msl", "kernel void")] {
        let (code, stdout, stderr) = vgg(folder.path(), &discrete(&[print, "--format", format]));
        assert!(code == Some(0) && stdout.contains(part), "{format}: {stderr} {stdout}");
    }
    let (code, stdout, stderr) = vgg(folder.path(), &discrete(&[print, "--format", "spirv", "-o", "out"]));
    assert_eq!(code, Some(0), "{stderr}");
    let binary = fs::read(folder.path().join(stdout.lines().next().unwrap())).unwrap();
    assert_eq!(binary[..4], [3, 2, 0x23, 7], "SPIR-V begins with its magic number");

    // Each shader that the training runs, once.
    let (code, stdout, stderr) = vgg(folder.path(), &discrete(&["--print", "all"]));
    assert_eq!(code, Some(0), "{stderr}");
    let heads: Vec<&str> = stdout.lines().filter(|line| line.contains(": dispatch 1 of ")).collect();
    for step in ["conv1_1.forward", "conv1_1.grad_weight", "loss.forward", "features.0.weight.update"] {
        assert!(heads.iter().any(|head| head.contains(&format!(" for {step}: "))), "{step}: {heads:?}");
    }
    assert_eq!(
        heads.iter().filter(|head| head.contains("// activation.forward/vec4 ")).count(),
        1,
        "{heads:?}"
    );

    for (more, code, says) in [
        (&[print, "--format", "spirv"][..], 2, "--output"),
        (&["--print", "conv.forward=magic"], 2, "conv.forward has no variant magic"),
        (&["--print", "avg_pool.forward=vec4"], 1, "no step of this training is avg_pool.forward"),
        (&["--print", "conv.forward=lanes"], 1, "subgroups of 8"),
        (&["--format", "hlsl"], 2, "--print"),
    ] {
        let (found, _, stderr) = vgg(folder.path(), &discrete(more));
        assert!(found == Some(code) && stderr.contains(says), "{more:?}: {found:?} {stderr}");
    }
}

#[test]
fn tune_writes_what_the_next_run_uses() {
    let Some(adapter) = adapter() else { return };
    let index = adapter.info().index.to_string();
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let tune = ["--device", &index, "--op", "activation.forward", "--seconds", "0"];
    let (code, stdout, stderr) = vgg(folder, &with("tune", &tune));
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("of 1; "), "{stdout}");
    let tuning = folder.join("cache/vgg-wgpu/tuning");
    let names: Vec<_> = fs::read_dir(&tuning).unwrap().map(|e| e.unwrap().path()).collect();
    let [path] = names.as_slice() else { panic!("{names:?}") };

    // A choice by hand that differs from the built-in one.
    let op = Op::from(ConvForward::plain(Conv { n: 4, h: 14, w: 14, c: 8, k: 8 }));
    let other = if adapter.info().software() { "tiled_64x64" } else { "blocked" };
    let more = format!(
        "\n[[choice]]\nop = \"{}\"\nshape = \"{}\"\nvariant = \"{other}\"\nmicroseconds = {{}}\n",
        op.name(),
        Tuned::shape(&op)
    );
    fs::write(path, fs::read_to_string(path).unwrap() + &more).unwrap();
    let note = "tuning    2 measured shapes from";
    let device = ["--device", index.as_str()];
    assert!(vgg(folder, &with("plan", &device)).2.contains(note));
    let (_, _, stderr) = vgg(folder, &with("plan", &[&device[..], &["--tuning", "off"]].concat()));
    assert!(!stderr.contains("tuning"), "{stderr}");

    // The tiled kernel has workgroup memory, the blocked one has none.
    let program = Program::single(op);
    let workgroup_bytes =
        |options: &Options| Requirements::of(&program, &adapter, options).unwrap().limits.workgroup_bytes;
    let tuned = tune::load(&Source::File(path.clone()), adapter.info()).unwrap().tuned;
    let measured = Options { tuned, ..Options::default() };
    let variants = vec![("conv.forward".to_owned(), "tiled_64x64".to_owned())];
    let forced = Options { variants, ..measured.clone() };
    let software = adapter.info().software();
    assert_eq!(workgroup_bytes(&Options::default()) > 0, !software);
    assert_eq!(workgroup_bytes(&measured) > 0, software);
    assert!(workgroup_bytes(&forced) > 0);

    // A file that is not a tuning file is not replaced.
    let other = folder.join("config.toml");
    fs::write(&other, "epochs = 3\n").unwrap();
    let (code, _, stderr) = vgg(folder, &with("tune", &[&tune[..], &["--tuning", "config.toml"]].concat()));
    assert!(code == Some(2) && stderr.contains("config.toml is not a tuning file"), "{stderr}");
    assert_eq!(fs::read_to_string(&other).unwrap(), "epochs = 3\n");

    // A file that does not apply is reported once, and the run continues.
    let text = fs::read_to_string(path).unwrap();
    fs::write(path, text.replace(TABLE, "0123456789abcdef")).unwrap();
    let (code, _, stderr) = vgg(folder, &with("plan", &device));
    assert!(code == Some(0) && stderr.contains("ignored: it was measured with other kernels"), "{stderr}");
}
