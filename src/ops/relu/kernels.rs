//! Rows for [`crate::ops::Relu`] and [`crate::ops::ReluGrad`].

use super::{Relu, ReluGrad};
use crate::{
    dtype::DType,
    kernels::{
        Kernel, Row, Rows, elementwise_rows,
        parts::{Elem, single, source},
    },
    shader::{Fragment, fragment},
};

const FORWARD: Fragment = fragment!("relu/forward.wgsl");
const GRAD_INPUT: Fragment = fragment!("relu/grad_input.wgsl");

impl Rows for Relu {
    const ROWS: &[&[Row<Self>]] = &[elementwise_rows!(Both, |relu| relu.len, forward)];
}

impl Rows for ReluGrad {
    const ROWS: &[&[Row<Self>]] = &[elementwise_rows!(Both, |relu| relu.len, grad_input)];
}

fn forward(relu: &Relu, storage: DType, elem: Elem) -> Kernel {
    let len = relu.len / elem.lanes();
    single(elem.over(storage, source(&[FORWARD])).constant("LEN", len), len)
}

fn grad_input(relu: &ReluGrad, storage: DType, elem: Elem) -> Kernel {
    let len = relu.len / elem.lanes();
    let source = elem.over(storage, source(&[GRAD_INPUT])).constant("LEN", len);
    single(source.float("AT_ZERO", relu.at_zero), len)
}
