//! The table: a row is one way to compute an operation on a GPU.

use std::sync::LazyLock;

use super::{Caps, Kernel};
use crate::{
    dtype::DType,
    ops::{Op, Operation, for_each_op},
};

/// The types in which a row supports the operands that mixed precision stores as f16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stores {
    /// f32 only.
    F32,
    /// f16 only.
    F16,
    /// Either.
    Both,
}

impl Stores {
    fn takes(self, storage: DType, caps: &Caps) -> bool {
        match storage {
            DType::F16 => self != Self::F32 && caps.f16,
            _ => self != Self::F16,
        }
    }
}

/// A requirement of a row.
pub(crate) struct Requirement<O: 'static> {
    /// The condition in words.
    what: &'static str,
    met: fn(&O, &Caps) -> bool,
}

/// A requirement: in words, and as a test of the operation and the device.
pub(crate) const fn needs<O>(what: &'static str, met: fn(&O, &Caps) -> bool) -> Requirement<O> {
    Requirement { what, met }
}

/// One way to compute an operation. It computes the same on every device that it supports.
pub(crate) struct Row<O: 'static> {
    /// The name, unique within the operation.
    pub name: &'static str,
    /// The supported storage types of its operands.
    pub stores: Stores,
    /// Its requirements of the operation and of the device.
    pub requires: &'static [Requirement<O>],
    /// The expected speed in percent of [`speed::general`]; called only if all requirements are met. The fastest row is
    /// chosen, the first among equals.
    pub speed: fn(&O, &Caps) -> u32,
    /// The dispatches for operands of a storage type.
    pub build: fn(&O, DType, &Caps) -> Kernel,
}

/// The rows of an operation: `src/ops/<op>/kernels.rs`.
pub(crate) trait Rows: Operation + 'static {
    /// The rows in the order of preference.
    const ROWS: &[&[Row<Self>]];
}

/// The expected speeds of most rows. A row that is fast only on some shapes has its own function, next to its measurement.
pub(crate) mod speed {
    use super::Caps;

    /// The baseline: a row that any device runs well.
    pub fn general<O>(_: &O, _: &Caps) -> u32 {
        100
    }

    /// Rows on matrix units: several times the arithmetic of the others.
    pub fn on_matrix_units<O>(_: &O, _: &Caps) -> u32 {
        300
    }

    /// Barrier-free rows without workgroup memory: three times as fast as the general row on a software adapter (measured on
    /// llvmpipe: 2 to 6 times), and much slower than it on a GPU.
    pub fn on_software<O>(_: &O, caps: &Caps) -> u32 {
        if caps.software() { 300 } else { 30 }
    }
}

/// Two rows of an elementwise operation: one for a `$width` that is a multiple of 4, one for any. `$build` is called with the
/// operation, its storage and the [`Elem`](super::parts::Elem).
macro_rules! elementwise_rows {
    ($stores:ident, $width:expr, $build:expr) => {
        &[
            $crate::kernels::Row {
                name: "vec4",
                stores: $crate::kernels::Stores::$stores,
                requires: &[$crate::kernels::needs("last extent divisible by 4", |op, _| {
                    let width: fn(&Self) -> usize = $width;
                    width(op).is_multiple_of(4)
                })],
                speed: $crate::kernels::speed::general,
                build: |op, storage, _| $build(op, storage, $crate::kernels::parts::Elem::Vec4),
            },
            $crate::kernels::Row {
                name: "scalar",
                stores: $crate::kernels::Stores::$stores,
                requires: &[],
                speed: $crate::kernels::speed::general,
                build: |op, storage, _| $build(op, storage, $crate::kernels::parts::Elem::Scalar),
            },
        ]
    };
}
pub(crate) use elementwise_rows;

/// The rows of a product other than the tiled ones: on matrix units, in the registers of a subgroup and in register blocks. For
/// each its requirements (the first already requires the matrix units) and its build function.
macro_rules! product_rows {
    (
        [$($cooperative_needs:expr),* $(,)?], $cooperative:expr,
        [$($lanes_needs:expr),* $(,)?], $lanes:expr,
        [$($blocked_needs:expr),* $(,)?], $blocked:expr $(,)?
    ) => {
        &[
            $crate::kernels::Row {
                name: "cooperative",
                stores: $crate::kernels::Stores::F16,
                requires: &[
                    $crate::kernels::needs("f16 matrix units", |_, caps| $crate::kernels::cooperative::fits(caps)),
                    $($cooperative_needs),*
                ],
                speed: $crate::kernels::speed::on_matrix_units,
                build: $cooperative,
            },
            $crate::kernels::Row {
                name: "lanes",
                stores: $crate::kernels::Stores::Both,
                requires: &[$($lanes_needs),*],
                speed: $crate::kernels::speed::on_software,
                build: $lanes,
            },
            $crate::kernels::Row {
                name: "blocked",
                stores: $crate::kernels::Stores::F32,
                requires: &[$($blocked_needs),*],
                speed: $crate::kernels::speed::on_software,
                build: $blocked,
            },
        ]
    };
}
pub(crate) use product_rows;

/// Four rows of a reduction down columns: for `$columns` a multiple of 4 or any, with the chunks merged in a tree or in order.
/// `$build` is called with the operation, its storage, the elem and the [`Merge`](super::parts::Merge).
macro_rules! reduction_rows {
    ($op:ty, $columns:expr, $build:expr) => {{
        const FOURS: &[$crate::kernels::Requirement<$op>] =
            &[$crate::kernels::needs("channels divisible by 4", |op, _| {
                let columns: fn(&$op) -> usize = $columns;
                columns(op).is_multiple_of(4)
            })];
        &[
            $crate::kernels::row::reduction_row!("vec4", general, FOURS, $build, Vec4, Tree),
            $crate::kernels::row::reduction_row!("scalar", general, &[], $build, Scalar, Tree),
            $crate::kernels::row::reduction_row!("vec4_serial", on_software, FOURS, $build, Vec4, Serial),
            $crate::kernels::row::reduction_row!("scalar_serial", on_software, &[], $build, Scalar, Serial),
        ]
    }};
}
pub(crate) use reduction_rows;

macro_rules! reduction_row {
    ($name:literal, $speed:ident, $requires:expr, $build:expr, $elem:ident, $merge:ident) => {
        $crate::kernels::Row {
            name: $name,
            stores: $crate::kernels::Stores::Both,
            requires: $requires,
            speed: $crate::kernels::speed::$speed,
            build: |op, storage, _| {
                let (elem, how) =
                    ($crate::kernels::parts::Elem::$elem, $crate::kernels::parts::Merge::$merge);
                $build(op, storage, elem, how)
            },
        }
    };
}
pub(crate) use reduction_row;

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
                self.stores().takes(op.storage(), caps)
                    && match (self.row, op.plain()) {
                        $((AnyRow::$op(row), Op::$op(op)) => row.requires.iter().all(|r| (r.met)(op, caps)),)*
                        (AnyRow::Custom { supports, .. }, _) => supports(op, caps),
                        _ => false,
                    }
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
