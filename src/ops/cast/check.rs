//! How [`Cast`] is checked.

use super::Cast;
use crate::{
    dtype::DType,
    verify::{
        check::{Check, Tolerances},
        shapes::LENGTHS,
    },
};

impl Check for Cast {
    fn cases() -> Vec<Self> {
        let types = [(DType::F32, DType::F16), (DType::F16, DType::F32)];
        types.into_iter().flat_map(|(from, to)| LENGTHS.map(|len| Self { len, from, to })).collect()
    }

    /// The only rounding is to f16.
    fn tolerances(&self, _: &mut Tolerances<Self>) {}
}
