//! The rows on matrix units, on devices without any: the same kernels, but with matrices that the lanes of a subgroup compute in
//! plain WGSL. This checks the rows' own arithmetic of indices, edges, splits and slabs. On a device with matrix units the last tests
//! check the real ones.

use std::collections::BTreeMap;

use vgg_wgpu::{
    gpu::{Adapter, GpuExecutor, Options},
    kernels::{Caps, Kernel, MatrixUnits, Variant, variants},
    ops::{Conv, ConvForward, ConvGradInput, ConvGradWeight, Op},
    program::{Executor, Pass, Program, TensorId},
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

fn row(op: &Op, name: &str) -> &'static Variant {
    variants().find(|v| v.op == op.name() && v.name == name).expect("a row on matrix units")
}

fn with_units(caps: &Caps, side: usize, subgroup: u32) -> Caps {
    Caps { matrix_units: Some(MatrixUnits { side, subgroup }), ..caps.clone() }
}

/// Rows of the same operation follow each other: NVIDIA's matrices, Apple's, and AMD's.
macro_rules! rows {
    ($($op:literal),+) => { rows!(@ $("cooperative" $op 16 32, "cooperative" $op 8 32, "cooperative" $op 16 64),+) };
    (@ $($name:literal $op:literal $side:literal $subgroup:literal),+) => {
        &[$(Variant::custom(
            $op,
            concat!($name, ", emulated with matrices of ", $side, " by subgroups of ", $subgroup),
            |op, caps| row(op, $name).supports(op, &with_units(caps, $side, $subgroup)),
            |op, caps| emulate(row(op, $name).build(op, &with_units(caps, $side, $subgroup)), $side),
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

/// Winograd's products on them: the mainloop is the same, so that one kind of matrices is enough.
static SPLIT_ROWS: &[Variant] = rows!(
    @ "winograd4_split" "conv.forward" 16 32,
    "winograd4_split" "conv.grad_input" 16 32,
    "winograd4_split" "conv.grad_weight" 16 32
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

/// Of each kind the smallest case, one in the middle, and the two largest, one of which fills tiles and one splits sums. Winograd's kernels
/// have more dispatches: of each kind the one in the middle, and with real matrix units the largest, which has several chunks and splits.
fn chosen(row: &Variant, caps: &Caps) -> Vec<Op> {
    let real = row.name == "winograd4_split";
    let mut all = cases(row.op);
    all.retain(|op| (real || op.flops() <= MOST_FLOPS) && row.supports(op, caps));
    all.sort_by_key(Op::flops);
    let mut kinds: BTreeMap<_, Vec<Op>> = BTreeMap::new();
    for op in all {
        kinds.entry(kind(&op)).or_default().push(op);
    }
    let mut chosen: Vec<Op> = Vec::new();
    for ops in kinds.values() {
        let places = [ops.len() / 2, ops.len() - 1, 0, ops.len() - 2];
        let winograd = row.name.starts_with("winograd4_split");
        for &i in &places[..if real {
            2
        } else if winograd {
            1
        } else {
            4
        }] {
            if !chosen.contains(&ops[i]) {
                chosen.push(ops[i].clone());
            }
        }
    }
    chosen
}

/// The rows are the same kernel for different matrices. Each case runs on one of them, and a sixth of the cases also run with checks, on
/// another row. `VGG_TEST_ALL=1` runs all rows on all cases.
fn walk(adapter: &Adapter, rows: &[&'static Variant]) {
    let caps = adapter.caps();
    let cases = chosen(rows[0], &caps);
    let reference = Reference::of(&cases);
    let all = std::env::var_os("VGG_TEST_ALL").is_some_and(|v| v == "1");
    for (index, row) in rows.iter().enumerate() {
        for checked in [false, true] {
            let turn = |&case: &usize| all || (case + usize::from(checked)) % rows.len() == index;
            let share = if checked && !all { 6 } else { 1 };
            let turns: Vec<&Op> =
                (0..cases.len()).filter(turn).step_by(share).map(|case| &cases[case]).collect();
            let verdict = reference.check(adapter, row, checked, |op| turns.contains(&op));
            let title = format!("{}/{}, checked: {checked}", row.op, row.name);
            assert_eq!(verdict.cases, turns.len(), "{title}");
            assert!(verdict.cases > 0, "{title}: no case");
            assert!(verdict.failures.is_empty(), "{title}: {}", verdict.failures.join("\n"));
        }
    }
}

#[test]
fn matrix_units() {
    let Some(adapter) = adapter() else { return };
    let walked: Vec<_> = ROWS.iter().step_by(3).map(|row| row.op).collect();
    let cooperative = variants().filter(|row| row.name == "cooperative");
    assert_eq!(walked, cooperative.map(|row| row.op).collect::<Vec<_>>());
    for rows in ROWS.chunks(3) {
        walk(&adapter, &rows.iter().collect::<Vec<_>>());
    }
}

#[test]
fn split_values() {
    let Some(adapter) = adapter() else { return };
    SPLIT_ROWS.iter().for_each(|row| walk(&adapter, &[row]));
}

/// The adapter, if it has matrix units. scripts/test runs the tests that need them on a driver that has them.
fn adapter_with_units() -> Option<Adapter> {
    let adapter = adapter()?;
    if adapter.caps().matrix_units.is_some() {
        return Some(adapter);
    }
    let wanted = std::env::var_os("VGG_MATRIX_UNITS").is_some();
    assert!(!wanted, "{} has no matrix units, but VGG_MATRIX_UNITS is set", adapter.info().name);
    eprintln!("nothing is run: {} has no matrix units", adapter.info().name);
    None
}

#[test]
fn real_matrix_units() {
    let Some(adapter) = adapter_with_units() else { return };
    variants().filter(|row| row.needs_matrix_units()).for_each(|row| walk(&adapter, &[row]));
}

/// Runs one operation on these operands, the last of which it writes.
fn run(adapter: &Adapter, row: &'static Variant, op: Op, operands: &[&[f32]]) -> Vec<f32> {
    let mut gpu =
        GpuExecutor::open_with(adapter, Program::single(op), &Options::default(), &|_, _| Ok(row)).unwrap();
    for (tensor, values) in operands.iter().enumerate() {
        gpu.upload(TensorId(tensor), bytemuck::cast_slice(values)).unwrap();
    }
    gpu.run(Pass::Train).unwrap();
    bytemuck::pod_collect_to_vec(&gpu.read(TensorId(operands.len())).unwrap())
}

/// Operands that are powers of two larger or smaller have results that are so too, bit for bit: the halves of split values lose
/// nothing to the range of f16, whatever the size of the operands.
#[test]
fn split_values_of_real_matrix_units_have_the_range_of_f32() {
    let Some(adapter) = adapter_with_units() else { return };
    let conv = Conv { n: 1, h: 6, w: 7, c: 8, k: 16 };
    let values = |len: usize, salt: u32, factor: f32| -> Vec<f32> {
        let value = |i: u32| ((i.wrapping_mul(2_654_435_761) ^ salt) as i32 >> 8) as f32 / 8_388_608.0;
        (0..len as u32).map(|i| factor * value(i)).collect()
    };
    let pixels = conv.n * conv.h * conv.w;
    for (op, [first, second], bias) in [
        (Op::from(ConvForward::plain(conv)), [pixels * conv.c, 9 * conv.c * conv.k], Some(conv.k)),
        (Op::from(ConvGradInput::plain(conv)), [pixels * conv.k, 9 * conv.c * conv.k], None),
        (Op::from(ConvGradWeight::plain(conv)), [pixels * conv.c, pixels * conv.k], None),
    ] {
        let row = variants().find(|row| row.op == op.name() && row.name == "winograd4_split").unwrap();
        let result = |factors: [f32; 2]| {
            let [a, b] = [values(first, 1, factors[0]), values(second, 2, factors[1])];
            let bias = bias.map(|len| vec![0.0; len]);
            let operands: Vec<&[f32]> = [&a[..], &b].into_iter().chain(bias.as_deref()).collect();
            run(&adapter, row, op.clone(), &operands)
        };
        // The signs with which a transformed value is the largest, next to the largest significand: no half overflows.
        let signs = [1.0, 1.0, -1.0, 1.0, 1.0, 1.0, 1.0];
        let channels = first / pixels;
        let pixel = |i: usize| 1.999 * signs[i / conv.w] * signs[i % conv.w];
        let largest: Vec<f32> = (0..first).map(|i| pixel(i / channels)).collect();
        let (constant, zeros) = (vec![1.999; second], vec![0.0; conv.k]);
        let operands = [&largest[..], &constant, &zeros];
        let finite = run(&adapter, row, op.clone(), &operands[..if bias.is_some() { 3 } else { 2 }]);
        assert!(finite.iter().all(|value| value.is_finite()), "{}: {finite:?}", op.name());
        let expected = result([1.0, 1.0]);
        assert!(expected.iter().all(|value| value.is_finite()) && expected.iter().any(|&value| value > 0.1));
        for powers in [[-80, 30], [40, 60], [-30, -30]] {
            let factors = powers.map(|power| 2f32.powi(power));
            let scaled: Vec<f32> = expected.iter().map(|value| value * factors[0] * factors[1]).collect();
            assert_eq!(result(factors), scaled, "{}, factors of two to the {powers:?}", op.name());
        }
    }
}
