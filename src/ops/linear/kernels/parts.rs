//! What several rows of a linear layer share.

use crate::{
    ops::Linear,
    shader::{Fragment, Source, fragment},
};

pub(super) const FORWARD_STORE: Fragment = fragment!("linear/forward_store.wgsl");
pub(super) const GRAD_INPUT_STORE: Fragment = fragment!("linear/grad_input_store.wgsl");
pub(super) const GRAD_WEIGHT_STORE: Fragment = fragment!("linear/grad_weight_store.wgsl");
pub(super) const UPDATE_STORE: Fragment = fragment!("linear/update_store.wgsl");

pub(super) fn slice(linear: &Linear, source: Source) -> Source {
    source.constant("FIRST", linear.first).constant("TOTAL", linear.total)
}
