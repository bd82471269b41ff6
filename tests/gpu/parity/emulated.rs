//! The rows on matrix units, on devices without any: the same kernels, but with matrices that the lanes of a subgroup compute in
//! plain WGSL. This checks the rows' own arithmetic of indices, edges, splits and slabs. On a device with matrix units the last test
//! checks the real ones.

use std::collections::BTreeMap;

use vgg_wgpu::{
    gpu::Adapter,
    kernels::{Caps, Kernel, MatrixUnits, Variant, variants},
    ops::Op,
    shader::{Fragment, Source},
    verify::{Reference, cases},
};

use crate::support::adapter::adapter;

/// The emulation takes too long on cases with more FLOP.
const MOST_FLOPS: u64 = 6_000_000;

/// A matrix operand is a position in workgroup memory, which is read in the product: the kernels do not change slabs before. A
/// result is the values of a lane. Loads without `T` are column-major, with `T` row-major, as in WGSL. `past_lanes` is 0, which
/// compilers cannot know: an unrolled product takes them ten seconds. A block's products are added up before they go to the sum, as in
/// hardware.
const MATRICES: &str = "
struct Left { at: u32, pitch: u32, by_rows: bool }
struct Right { at: u32, pitch: u32, by_rows: bool }
struct Sum { values: array<f32, SIDE * SIDE / SUBGROUP> }
var<private> my_lane: u32;
var<private> past_lanes: u32;

fn place(at: u32, pitch: u32, by_rows: bool, row: u32, column: u32) -> u32 {
    return select(at + column * pitch + row, at + row * pitch + column, by_rows);
}

fn multiply_add(a: Left, b: Right, c: Sum) -> Sum {
    var sum = c;
    for (var i = 0u; i < SIDE * SIDE / SUBGROUP + past_lanes; i++) {
        let row = (i * SUBGROUP + my_lane) / SIDE;
        let column = (i * SUBGROUP + my_lane) % SIDE;
        var block = 0.0;
        for (var k = 0u; k < SIDE + past_lanes; k++) {
            block += slab_value_a(place(a.at, a.pitch, a.by_rows, row, k)) * slab_value_b(place(b.at, b.pitch, b.by_rows, k, column));
        }
        sum.values[i] += block;
    }
    return sum;
}
";

/// One value of a slab of vectors, and of a slab of values.
const VALUES: [&str; 2] = [
    "fn slab_value_a(i: u32) -> f32 { return f32(slab_a[i / 4u][i % 4u]); }
     fn slab_value_b(i: u32) -> f32 { return f32(slab_b[i / 4u][i % 4u]); }",
    "fn slab_value_a(i: u32) -> f32 { return f32(slab_a[i]); }
     fn slab_value_b(i: u32) -> f32 { return f32(slab_b[i]); }",
];

/// The replacements of texts, each of which must occur.
const INSTEAD: [(&str, &str); 9] = [
    ("enable wgpu_cooperative_matrix;\n", ""),
    ("coopLoadT<Left>(&slab_a[", "left_at(true, "),
    ("coopLoad<Left>(&slab_a[", "left_at(false, "),
    ("coopLoadT<Right>(&slab_b[", "right_at(true, "),
    ("coopLoad<Right>(&slab_b[", "right_at(false, "),
    (" / SLAB_LANES], ", " / SLAB_LANES, "),
    ("coopMultiplyAdd(", "multiply_add("),
    (
        "coopStoreT(sum, &results[subgroup * SIDE * SIDE], SIDE);",
        "for (var i = 0u; i < SIDE * SIDE / SUBGROUP; i++) {
             results[subgroup * SIDE * SIDE + i * SUBGROUP + lane] = sum.values[i];
         }",
    ),
    (
        "    @builtin(subgroup_id) subgroup: u32,\n    @builtin(subgroup_invocation_id) lane: u32,\n) {\n",
        ") {\n    let subgroup = local / SUBGROUP;\n    let lane = local % SUBGROUP;\n    my_lane = lane;\n    past_lanes = lane / SUBGROUP;\n",
    ),
];

const LOADS: &str = "
fn left_at(by_rows: bool, at: u32, pitch: u32) -> Left { return Left(at * SLAB_LANES, pitch * SLAB_LANES, by_rows); }
fn right_at(by_rows: bool, at: u32, pitch: u32) -> Right { return Right(at * SLAB_LANES, pitch * SLAB_LANES, by_rows); }
";

fn emulated(wgsl: &str, side: usize) -> String {
    let matrices = |line: &str| line.starts_with("alias ") && line.contains(" = coop_mat");
    let mut text: String =
        wgsl.lines().filter(|line| !matrices(line)).map(|line| format!("{line}\n")).collect();
    for (from, to) in INSTEAD {
        assert!(text.contains(from), "the kernel no longer has {from}");
        text = text.replace(from, to);
    }
    assert!(!["coop_mat", "coopLoad", "coopStore"].iter().any(|name| text.contains(name)));
    [&text, MATRICES, LOADS, VALUES[usize::from(side == 8)]].concat()
}

fn emulate(kernel: Kernel, side: usize) -> Kernel {
    let dispatches = kernel.dispatches.into_iter().map(|mut dispatch| {
        let wgsl = dispatch.source.assemble();
        if wgsl.contains("coop_mat") {
            dispatch.source = Source::new([Fragment::inline(emulated(&wgsl, side).leak())]);
        }
        dispatch
    });
    Kernel { dispatches: dispatches.collect(), ..kernel }
}

fn row(op: &Op) -> &'static Variant {
    variants().find(|v| v.op == op.name() && v.name == "cooperative").expect("a row on matrix units")
}

fn with_units(caps: &Caps, side: usize, subgroup: u32) -> Caps {
    Caps { matrix_units: Some(MatrixUnits { side, subgroup }), ..caps.clone() }
}

/// Rows of the same operation follow each other: NVIDIA's matrices, Apple's, and AMD's.
macro_rules! rows {
    ($($op:literal),+) => { rows!(@ $($op 16 32, $op 8 32, $op 16 64),+) };
    (@ $($op:literal $side:literal $subgroup:literal),+) => {
        &[$(Variant::custom(
            $op,
            concat!("cooperative, emulated with matrices of ", $side, " by subgroups of ", $subgroup),
            |op, caps| row(op).supports(op, &with_units(caps, $side, $subgroup)),
            |op, caps| emulate(row(op).build(op, &with_units(caps, $side, $subgroup)), $side),
        )),+]
    };
}

static ROWS: &[Variant] = rows!(
    "conv.forward",
    "conv.grad_input",
    "conv.grad_weight",
    "linear.forward",
    "linear.grad_input",
    "linear.grad_weight"
);

/// The prologue and the epilogue of a convolution, by which kernels differ.
fn kind(op: &Op) -> [bool; 2] {
    match op.plain() {
        Op::ConvForward(op) => [op.normalized.is_some(), op.statistics],
        Op::ConvGradInput(op) => [op.through.is_some(), op.statistics.is_some()],
        Op::ConvGradWeight(op) => [op.normalized.is_some(), op.through.is_some()],
        _ => [false; 2],
    }
}

/// Of each kind the smallest case, one in the middle, and the two largest, one of which fills tiles and one splits sums.
fn chosen(row: &Variant, caps: &Caps) -> Vec<Op> {
    let mut all = cases(row.op);
    all.retain(|op| op.flops() <= MOST_FLOPS && row.supports(op, caps));
    all.sort_by_key(Op::flops);
    let mut kinds: BTreeMap<_, Vec<Op>> = BTreeMap::new();
    for op in all {
        kinds.entry(kind(&op)).or_default().push(op);
    }
    let mut chosen: Vec<Op> = Vec::new();
    for ops in kinds.values() {
        for i in [0, ops.len() / 2, ops.len() - 2, ops.len() - 1] {
            if !chosen.contains(&ops[i]) {
                chosen.push(ops[i].clone());
            }
        }
    }
    chosen
}

/// Every row runs all cases, and with checks a sixth of them, another one than the others: `VGG_TEST_ALL=1` runs all.
fn walk(adapter: &Adapter, rows: &[&'static Variant]) {
    let caps = adapter.caps();
    let cases = chosen(rows[0], &caps);
    let reference = Reference::of(&cases);
    let all = std::env::var_os("VGG_TEST_ALL").is_some_and(|v| v == "1");
    for (index, row) in rows.iter().enumerate() {
        let share = || cases.iter().skip(if all { 0 } else { index }).step_by(if all { 1 } else { 6 });
        for (checked, count) in [(false, cases.len()), (true, share().count())] {
            let picked = |op: &Op| row.supports(op, &caps) && (!checked || share().any(|case| case == op));
            let verdict = reference.check(adapter, row, checked, picked);
            let title = format!("{}/{}, checked: {checked}", row.op, row.name);
            assert_eq!(verdict.cases, count, "{title}");
            assert!(verdict.failures.is_empty(), "{title}: {}", verdict.failures.join("\n"));
        }
    }
}

fn on_matrix_units() -> impl Iterator<Item = &'static Variant> {
    variants().filter(|row| row.name == "cooperative")
}

#[test]
fn matrix_units() {
    let Some(adapter) = adapter() else { return };
    let walked: Vec<_> = ROWS.iter().step_by(3).map(|row| row.op).collect();
    assert_eq!(walked, on_matrix_units().map(|row| row.op).collect::<Vec<_>>());
    for rows in ROWS.chunks(3) {
        walk(&adapter, &rows.iter().collect::<Vec<_>>());
    }
}

/// scripts/test runs it on a driver that has them.
#[test]
fn real_matrix_units() {
    let Some(adapter) = adapter() else { return };
    if adapter.caps().matrix_units.is_none() {
        let wanted = std::env::var_os("VGG_MATRIX_UNITS").is_some();
        assert!(!wanted, "{} has no matrix units, but VGG_MATRIX_UNITS is set", adapter.info().name);
        eprintln!("nothing is run: {} has no matrix units", adapter.info().name);
        return;
    }
    on_matrix_units().for_each(|row| walk(&adapter, &[row]));
}
