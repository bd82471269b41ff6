//! The table of rows: every way to compute every operation on a GPU.

use std::sync::LazyLock;

use super::{Caps, Kernel, Row, Rows, Stores, cooperative};
use crate::ops::{Op, Operation, for_each_op};

macro_rules! table {
    ($($op:ident,)*) => {
        use crate::ops::{$($op),*};

        enum AnyRow {
            $($op(&'static Row<$op>),)*
            /// A row outside the table, for tests and experiments.
            Custom { supports: fn(&Op, &Caps) -> bool, build: fn(&Op, &Caps) -> Kernel },
        }

        impl Variant {
            /// The types in which it supports the operands that mixed precision stores as f16.
            pub fn stores(&self) -> Stores {
                match self.row {
                    $(AnyRow::$op(row) => row.stores,)*
                    AnyRow::Custom { .. } => Stores::Both,
                }
            }

            /// Its requirements of an operation and of a device, in words.
            pub fn requires(&self) -> Vec<&'static str> {
                match self.row {
                    $(AnyRow::$op(row) => row.requires.iter().map(|r| r.what).collect(),)*
                    AnyRow::Custom { .. } => Vec::new(),
                }
            }

            /// Whether this variant can compute this operation on such a device.
            pub fn supports(&self, op: &Op, caps: &Caps) -> bool {
                self.lacks(op, caps).is_empty()
            }

            /// What keeps it from computing this operation on such a device, in words: the requirements that are not met.
            pub fn lacks(&self, op: &Op, caps: &Caps) -> Vec<&'static str> {
                let mut lacks: Vec<_> = self.stores().lacks(op.storage(), caps).into_iter().collect();
                match (self.row, op.plain()) {
                    $((AnyRow::$op(row), Op::$op(op)) => {
                        lacks.extend(row.requires.iter().filter(|r| !(r.met)(op, caps)).map(|r| r.what));
                    })*
                    (AnyRow::Custom { supports, .. }, _) if supports(op, caps) => {}
                    _ => lacks.push("another operation"),
                }
                lacks
            }

            /// The expected speed in percent of a general variant's; 0 for another operation.
            pub fn speed(&self, op: &Op, caps: &Caps) -> u32 {
                match (self.row, op.plain()) {
                    $((AnyRow::$op(row), Op::$op(op)) => (row.speed)(op, caps),)*
                    _ => 0,
                }
            }

            /// The dispatches for an operation that it supports.
            ///
            /// # Panics
            /// For another operation.
            pub fn build(&self, op: &Op, caps: &Caps) -> Kernel {
                let storage = op.storage();
                match (self.row, op.plain()) {
                    $((AnyRow::$op(row), Op::$op(op)) => (row.build)(op, storage, caps),)*
                    (AnyRow::Custom { build, .. }, _) => build(op, caps),
                    _ => panic!("{}/{} got {}", self.op, self.name, op.name()),
                }
            }
        }

        static VARIANTS: LazyLock<Vec<Variant>> = LazyLock::new(|| {
            let mut variants = Vec::new();
            $(variants.extend(
                $op::ROWS
                    .iter()
                    .copied()
                    .flatten()
                    .map(|row| Variant { op: $op::NAME, name: row.name, row: AnyRow::$op(row) }),
            );)*
            variants
        });
    };
}
for_each_op!(table);

impl Clone for AnyRow {
    fn clone(&self) -> Self {
        *self
    }
}

impl Copy for AnyRow {}

/// A row of the table.
pub struct Variant {
    /// The operation's name, as [`Op::name`].
    pub op: &'static str,
    /// The variant's name, unique within the operation.
    pub name: &'static str,
    row: AnyRow,
}

impl Variant {
    /// A variant outside the table, for tests and experiments, of the operation with this name.
    pub const fn custom(
        op: &'static str,
        name: &'static str,
        supports: fn(&Op, &Caps) -> bool,
        build: fn(&Op, &Caps) -> Kernel,
    ) -> Self {
        Self { op, name, row: AnyRow::Custom { supports, build } }
    }

    /// Whether only devices with matrix units support it.
    pub fn needs_matrix_units(&self) -> bool {
        self.requires().contains(&cooperative::UNITS)
    }
}

impl std::fmt::Debug for Variant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.op, self.name)
    }
}

/// All rows: those of an operation in the order of preference.
pub fn variants() -> impl Iterator<Item = &'static Variant> {
    VARIANTS.iter()
}
