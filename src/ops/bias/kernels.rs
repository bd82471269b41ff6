//! Rows for [`crate::ops::GradBias`].

use super::GradBias;
use crate::{
    dtype::DType,
    kernels::{
        Kernel, Row, Rows,
        parts::{Chunks, Elem, Merge, MergeFiles, REDUCE, WORKGROUP, WORKSPACE, each},
        reduction_rows,
    },
    shader::{Fragment, Source, fragment},
};

const PARTIALS: Fragment = fragment!("bias/grad_partials.wgsl");
/// The sum of chunks, in a tree and in order.
pub(crate) const MERGE: MergeFiles = MergeFiles {
    tree: [REDUCE, fragment!("bias/grad_merge.wgsl")],
    workgroup: WORKGROUP,
    serial: fragment!("bias/grad_merge_serial.wgsl"),
};

impl Rows for GradBias {
    const ROWS: &[&[Row<Self>]] = &[reduction_rows!(GradBias, |bias| bias.channels, grad)];
}

fn grad(bias: &GradBias, storage: DType, elem: Elem, how: Merge) -> Kernel {
    let chunks = Chunks::of(bias.rows);
    let vectors = bias.channels / elem.lanes();
    let partials = chunks.constants(
        elem.over(storage, Source::new([PARTIALS])).constant("ROWS", bias.rows).constant("C", vectors),
    );
    let merge =
        chunks.merge(how, elem, bias.channels, &MERGE, |source| source.flag("ACCUMULATE", bias.accumulate));
    Kernel::new(vec![each("partials", partials, vectors * chunks.count), merge])
        .workspace(WORKSPACE, 4 * chunks.count * bias.channels)
}
