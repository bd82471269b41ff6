//! Rows that were measured to be the fastest on a device.

use std::collections::BTreeMap;

use super::{Caps, Variant, variants};
use crate::ops::Op;

/// The hash of this program's kernel table: of the shaders and the table, without comments.
pub const TABLE: &str = env!("VGG_KERNEL_TABLE");

/// The fastest variant for each measured operation and shape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tuned(BTreeMap<(String, String), String>);

impl Tuned {
    /// The shape of an operation with all its attributes, as `Conv { n: 16, h: 28, .. }`.
    pub fn shape(op: &Op) -> String {
        let text = format!("{op:?}");
        let inner = text.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
        inner.unwrap_or(&text).to_owned()
    }

    /// Records a variant by the operation's name and [`Tuned::shape`].
    pub fn set(&mut self, op: &str, shape: &str, variant: &str) {
        self.0.insert((op.to_owned(), shape.to_owned()), variant.to_owned());
    }

    /// The row for an operation, if one was measured and the device supports it.
    pub fn row(&self, op: &Op, caps: &Caps) -> Option<&'static Variant> {
        // The common case: no tuning file.
        if self.0.is_empty() {
            return None;
        }
        let name = self.0.get(&(op.name().to_owned(), Self::shape(op)))?;
        variants().find(|row| row.op == op.name() && row.name == name && row.supports(op, caps))
    }

    /// The number of measured shapes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no shape was measured.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
