//! Rows for fake quantisation.

use super::{
    ACTIVATION_STEPS, FakeQuantize, FakeQuantizeGrad, FakeQuantizeWeight, ObserveRange, WEIGHT_STEPS,
};
use crate::{
    dtype::DType,
    kernels::{
        Kernel, Row, Rows, Stores, elementwise_rows,
        parts::{CONTROL, Elem, REDUCE, WORKGROUP, WORKSPACE, only, single, workgroups},
        speed,
    },
    shader::{Fragment, Source, fragment},
};

const OBSERVE_PARTIALS: Fragment = fragment!("fake_quantize/observe_partials.wgsl");
const OBSERVE_MERGE: Fragment = fragment!("fake_quantize/observe_merge.wgsl");
const FORWARD: Fragment = fragment!("fake_quantize/forward.wgsl");
const GRAD_INPUT: Fragment = fragment!("fake_quantize/grad_input.wgsl");
const WEIGHT: Fragment = fragment!("fake_quantize/weight.wgsl");
const STEPS: Fragment = fragment!("fake_quantize/steps.wgsl");

/// Workgroups that reduce an activation, at most: enough for a large GPU.
const PARTS: usize = 1024;

impl Rows for ObserveRange {
    const ROWS: &[&[Row<Self>]] = &[&[Row {
        name: "workgroup",
        stores: Stores::Both,
        requires: &[],
        speed: speed::general,
        build: |op, storage, _| observe(op, storage),
    }]];
}

impl Rows for FakeQuantize {
    const ROWS: &[&[Row<Self>]] = &[elementwise_rows!(Both, |op| op.len, forward)];
}

impl Rows for FakeQuantizeGrad {
    const ROWS: &[&[Row<Self>]] = &[elementwise_rows!(Both, |op| op.len, grad_input)];
}

impl Rows for FakeQuantizeWeight {
    const ROWS: &[&[Row<Self>]] = &[&[Row {
        name: "workgroup",
        stores: Stores::F32,
        requires: &[],
        speed: speed::general,
        build: |op, _, _| weight(op),
    }]];
}

fn observe(op: &ObserveRange, storage: DType) -> Kernel {
    let parts = op.len.div_ceil(16 * WORKGROUP).min(PARTS);
    let partials = Elem::Scalar
        .over(storage, Source::new([CONTROL, REDUCE, OBSERVE_PARTIALS]))
        .constant("LEN", op.len)
        .constant("PARTS", parts);
    let merge = Source::new([CONTROL, REDUCE, OBSERVE_MERGE]).constant("PARTS", parts);
    Kernel::new(vec![
        workgroups("partials", partials, WORKGROUP, parts),
        workgroups("merge", merge, WORKGROUP, 1),
    ])
    .workspace(WORKSPACE, 4 * parts)
}

fn elementwise(kernel: Fragment, len: usize, storage: DType, elem: Elem) -> Kernel {
    let source = elem.over(storage, Source::new([STEPS, kernel])).float("STEPS", ACTIVATION_STEPS);
    single(source, len / elem.lanes())
}

fn forward(op: &FakeQuantize, storage: DType, elem: Elem) -> Kernel {
    elementwise(FORWARD, op.len, storage, elem)
}

fn grad_input(op: &FakeQuantizeGrad, storage: DType, elem: Elem) -> Kernel {
    elementwise(GRAD_INPUT, op.len, storage, elem)
}

fn weight(op: &FakeQuantizeWeight) -> Kernel {
    let [output, input] = if op.columns { [1, op.outputs] } else { [op.inputs, 1] };
    let source = Source::new([REDUCE, WEIGHT])
        .constant("IN", op.inputs)
        .constant("OUTPUT_STRIDE", output)
        .constant("INPUT_STRIDE", input)
        .float("STEPS", WEIGHT_STEPS);
    only(workgroups("", source, WORKGROUP, op.outputs))
}
