//! The rows of every product.

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
                    $crate::kernels::needs($crate::kernels::cooperative::UNITS, |_, caps| $crate::kernels::cooperative::fits(caps)),
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
