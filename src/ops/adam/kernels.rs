//! Rows for [`crate::ops::Adam`].

use super::Adam;
use crate::{
    dtype::DType,
    kernels::{
        Kernel, Row, Rows, elementwise_rows,
        parts::{CONTROL, Elem, any_length, complement, only, scaling, updated},
    },
    shader::{Fragment, Source, fragment},
};

const STEP: Fragment = fragment!("adam/step.wgsl");
const UPDATE: Fragment = fragment!("adam/update.wgsl");

impl Rows for Adam {
    const ROWS: &[&[Row<Self>]] = &[elementwise_rows!(F32, |adam| adam.len, update)];
}

/// The fragments before the file that applies the step.
pub(crate) fn step(adam: &Adam) -> Vec<Fragment> {
    [&[CONTROL], scaling(adam.scaled), &[updated(adam.sparse), STEP]].concat()
}

/// The constants of a step.
pub(crate) fn constants(adam: &Adam, source: Source) -> Source {
    let [within, apart] = adam.decays();
    source
        .float("BETA1", adam.beta1)
        .float("BETA2", adam.beta2)
        .float("ONE_MINUS_BETA1", complement(adam.beta1))
        .float("ONE_MINUS_BETA2", complement(adam.beta2))
        .float("EPS", adam.eps)
        .float("DECAY_WITHIN", within)
        .float("DECAY_APART", apart)
}

fn update(adam: &Adam, _: DType, elem: Elem) -> Kernel {
    let files = [step(adam), vec![UPDATE]].concat();
    only(any_length("", constants(adam, elem.alias(Source::new(files))), adam.len / elem.lanes()))
}
