//! Rows for [`crate::ops::GradBias`].

use super::GradBias;
use crate::{
    dtype::DType,
    kernels::{
        Kernel, Row, Rows,
        parts::{Chunks, Elem, Merge, REDUCE, WORKSPACE, dispatch, source},
        reduction_rows,
    },
    shader::{Fragment, fragment},
};

const PARTIALS: Fragment = fragment!("bias/grad_partials.wgsl");
/// The sum of chunks, in a tree and in order.
pub(crate) const MERGE: ([Fragment; 2], Fragment) =
    ([REDUCE, fragment!("bias/grad_merge.wgsl")], fragment!("bias/grad_merge_serial.wgsl"));

impl Rows for GradBias {
    const ROWS: &[&[Row<Self>]] = &[reduction_rows!(GradBias, |bias| bias.channels, grad)];
}

fn grad(bias: &GradBias, storage: DType, elem: Elem, how: Merge) -> Kernel {
    let chunks = Chunks::of(bias.rows);
    let vectors = bias.channels / elem.lanes();
    let partials = chunks.constants(
        elem.over(storage, source(&[PARTIALS])).constant("ROWS", bias.rows).constant("C", vectors),
    );
    let merge =
        chunks.merge(how, elem, bias.channels, MERGE, |source| source.flag("ACCUMULATE", bias.accumulate));
    Kernel::new(vec![dispatch("partials", partials, vectors * chunks.count), merge])
        .workspace(WORKSPACE, 4 * chunks.count * bias.channels)
}
