//! Every operation, every variant, real and awkward shapes: the GPU against the CPU in f64, with sentinels around outputs.
//! `vgg verify` runs every row on every case too, without checks.
//!
//! Needs an adapter; a software one will do (`scripts/test` installs one). `VGG_SKIP_GPU=1` skips, visibly.

mod emulated;

use vgg_wgpu::{
    dtype::DType,
    kernels::{Stores, Variant, variants},
    ops::Op,
    verify::{Reference, cases},
};

use crate::support::adapter::adapter;

/// From this many cases of an operation, each runs in only one mode.
const MANY: usize = 64;

/// Whether a row runs a case in this mode; a driver that compiles on the CPU takes longer to compile than to run. Tiles of different
/// sizes are the same code with other constants: each case runs on one of them in release mode and on another with checks.
/// With many cases (convolutions have hundreds), a row runs half of them, the next row the other half, and a tile those that are its turn,
/// each in one of the modes: a quarter with checks, which take longer to compile. A row that takes f32 and f16 is the same code with
/// another type of its loads and stores: with many cases it runs a seventh of those in f16. `VGG_TEST_ALL=1` runs every row on every
/// case in both modes.
fn in_turn(row: &Variant, checked: bool, op: &Op, case: usize, cases: usize) -> bool {
    if std::env::var_os("VGG_TEST_ALL").is_some_and(|v| v == "1") {
        return true;
    }
    if cases >= MANY && row.stores() == Stores::Both && op.storage() == DType::F16 && !case.is_multiple_of(7)
    {
        return false;
    }
    let rows: Vec<_> = variants().filter(|v| v.op == row.op).map(|v| v.name).collect();
    let place = |rows: &[&str]| rows.iter().position(|&name| name == row.name);
    // Scattered, so that it is aligned with no period of the list of cases.
    let scattered = |index: usize| ((case + 61 * index) as u32).wrapping_mul(0x9E37_79B9);
    let checks = |index: usize| scattered(index) >> 30 == 0;
    let tiles: Vec<_> = rows.iter().copied().filter(|name| name.starts_with("tiled_")).collect();
    match (place(&tiles), cases < MANY) {
        (Some(tile), true) => (case + usize::from(checked)) % tiles.len() == tile,
        (Some(tile), false) => case % tiles.len() == tile && checked == checks(0),
        (None, true) => true,
        (None, false) => {
            let place = place(&rows).expect("one of the rows");
            (scattered(7) >> 31) as usize == place % 2 && checked == checks(place)
        }
    }
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
        for (checked, mode) in [(false, "release"), (true, "checked")] {
            let verdict = reference.check(&adapter, row, checked, |op| {
                let case = cases.iter().position(|case| case == op).expect("one of the cases");
                row.supports(op, &caps) && in_turn(row, checked, op, case, cases.len())
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
