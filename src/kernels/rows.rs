//! The rows of elementwise operations and of reductions.

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
            $crate::kernels::rows::reduction_row!("vec4", general, FOURS, $build, Vec4, Tree),
            $crate::kernels::rows::reduction_row!("scalar", general, &[], $build, Scalar, Tree),
            $crate::kernels::rows::reduction_row!("vec4_serial", on_software, FOURS, $build, Vec4, Serial),
            $crate::kernels::rows::reduction_row!("scalar_serial", on_software, &[], $build, Scalar, Serial),
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
