//! Every operation, every variant, real and awkward shapes: the GPU against the CPU in f64, with sentinels around outputs.
//! `vgg verify` runs every row on every case too, without checks.
//!
//! Needs an adapter; a software one will do (`scripts/test` installs one). `VGG_SKIP_GPU=1` skips, visibly.

mod emulated;

use vgg_wgpu::{
    dtype::DType,
    kernels::{Caps, Stores, Variant, variants},
    ops::Op,
    verify::{Reference, cases},
};

use crate::support::adapter::adapter;

/// From this many cases of an operation, each runs in only one mode.
const MANY: usize = 64;

/// With fewer of them, a row runs all in both modes.
const FEW: usize = 8;

/// The cases that a row runs in release mode, and with checks; a driver that compiles on the CPU takes longer to compile than to run.
/// Tiles of different sizes are the same code with other constants: each case runs on one of them in release mode and on another with
/// checks. With many cases (convolutions have hundreds), a row runs a third of those that it supports, and a tile three quarters of those
/// that are its turn, each in one of the modes: the fewer with checks, which take longer to compile. A row that takes f32 and f16 is the
/// same code with another type of its loads and stores: with many cases it runs a seventh of those in f16. `VGG_TEST_ALL=1` runs every row
/// on every case in both modes.
fn turns(row: &Variant, cases: &[Op], caps: &Caps) -> [Vec<usize>; 2] {
    let mut able: Vec<usize> = (0..cases.len()).filter(|&case| row.supports(&cases[case], caps)).collect();
    if std::env::var_os("VGG_TEST_ALL").is_some_and(|v| v == "1") {
        return [able.clone(), able];
    }
    let many = cases.len() >= MANY;
    if many && row.stores() == Stores::Both {
        able.retain(|&case| cases[case].storage() != DType::F16 || case.is_multiple_of(7));
    }
    let rows: Vec<_> = variants().filter(|v| v.op == row.op).map(|v| v.name).collect();
    let place = |rows: &[&str]| rows.iter().position(|&name| name == row.name);
    // Scattered, so that they are aligned with no period of the list of cases.
    let scattered = |case: usize| (case as u32).wrapping_mul(0x9E37_79B9);
    let tiles: Vec<_> = rows.iter().copied().filter(|name| name.starts_with("tiled_")).collect();
    if let Some(tile) = place(&tiles) {
        return [false, true].map(|checked| {
            let turn = |case: usize| match many {
                true => {
                    let quarter = scattered(case) >> 30;
                    case % tiles.len() == tile && if checked { quarter == 0 } else { quarter % 3 != 0 }
                }
                false => (case + usize::from(checked)) % tiles.len() == tile,
            };
            able.iter().copied().filter(|&case| turn(case)).collect()
        });
    }
    if !many || able.len() < FEW {
        return [able.clone(), able];
    }
    able.sort_by_key(|&case| scattered(case));
    let third = able.into_iter().skip(place(&rows).expect("one of the rows") % 3).step_by(3).enumerate();
    let (checked, release): (Vec<_>, Vec<_>) = third.partition(|(rank, _)| rank % 4 == 0);
    [release, checked].map(|part| part.into_iter().map(|(_, case)| case).collect())
}

/// Checks every variant of an operation against the CPU on every case that it supports.
fn walk(name: &str) {
    let Some(adapter) = adapter() else { return };
    let caps = adapter.caps();
    let cases = cases(name);
    let reference = Reference::of(&cases);
    for row in variants().filter(|v| v.op == name) {
        if row.needs_matrix_units() && caps.matrix_units.is_none() {
            eprintln!("{}/{} is not run: this device has no matrix units", row.op, row.name);
            continue;
        }
        let [release, checked] = turns(row, &cases, &caps);
        for (checked, mode, turns) in [(false, "release", release), (true, "checked", checked)] {
            let verdict = reference.check(&adapter, row, checked, |op| {
                let case = cases.iter().position(|case| case == op).expect("one of the cases");
                turns.contains(&case)
            });
            let title = format!("{}/{} ({mode})", row.op, row.name);
            assert!(verdict.cases > 0, "{title}: it supports no case");
            assert!(verdict.failures.is_empty(), "{title}: {}", verdict.failures.join("\n"));
        }
    }
    let covered = |op| variants().any(|v| v.op == name && v.supports(op, &caps));
    for op in &cases {
        assert!(covered(op), "no variant runs {op:?}");
    }
}

macro_rules! parity {
    ($($test:ident: $($op:literal),+;)*) => {
        $(#[test] fn $test() { $(walk($op);)+ })*

        /// The tests below walk the whole list of operations.
        #[test]
        fn every_operation_is_walked() {
            let walked = [$($($op),+),*];
            for op in vgg_wgpu::ops::Op::NAMES {
                assert!(walked.contains(op), "no parity test walks {op}");
            }
        }
    };
}

parity! {
    prepare: "prepare.images", "mix.images";
    conv_forward: "conv.forward";
    conv_grad_input: "conv.grad_input";
    conv_grad_weight: "conv.grad_weight";
    bias: "bias.grad";
    batch_norm_forward: "batch_norm.statistics", "batch_norm.running", "batch_norm.affine", "batch_norm.normalize";
    batch_norm_backward: "batch_norm.grad_statistics", "batch_norm.grad_affine", "batch_norm.grad_input";
    group_norm: "group_norm.forward", "group_norm.affine", "group_norm.grad_input";
    activation: "activation.forward", "activation.grad_input";
    max_pool: "max_pool.forward", "max_pool.grad_input";
    avg_pool: "avg_pool.forward", "avg_pool.grad_input";
    dropout: "dropout.apply";
    linear: "linear.forward", "linear.grad_input", "linear.grad_weight", "linear.update";
    loss: "cross_entropy.forward", "cross_entropy.grad_input", "metrics.accumulate";
    optimizers: "accumulate.add", "adam.update", "sgd.update", "lion.update", "average.update", "l1_penalty.apply", "clip.square_sum",
        "clip.apply";
    cast: "cast.convert";
    fake_quantize: "fake_quantize.observe", "fake_quantize.forward", "fake_quantize.grad_input", "fake_quantize.weight";
    quantized: "quantized.images", "quantized.conv", "quantized.linear", "quantized.max_pool";
    loss_scale: "loss_scale.apply", "loss_scale.check", "loss_scale.update";
}
