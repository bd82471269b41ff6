//! Matrix products, by the `gemm` crates.

use gemm_common::{
    Parallelism,
    gemm::gemm_basic_generic,
    simd::{self, MixedSimd},
};
use pulp::Arch;

use super::{Scalar, instructions::arch};

/// A matrix in a slice: element `(row, column)` is at `row * strides[0] + column * strides[1]`.
#[derive(Clone, Copy)]
pub struct Matrix<'a, S> {
    pub data: &'a [S],
    pub rows: usize,
    pub columns: usize,
    pub strides: [usize; 2],
}

impl<'a, S> Matrix<'a, S> {
    /// Rows of `columns` elements, each `stride` after the previous one.
    pub fn rows(data: &'a [S], rows: usize, columns: usize, stride: usize) -> Self {
        Self { data, rows, columns, strides: [stride, 1] }
    }

    /// The transpose.
    pub fn transposed(self) -> Self {
        let Self { data, rows, columns, strides: [row, column] } = self;
        Self { data, rows: columns, columns: rows, strides: [column, row] }
    }
}

/// How a product is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// Replaces the old values.
    Replace,
    /// Adds the product to the old values.
    Add,
}

/// `output[m, n] = lhs[m, k] * rhs[k, n]`, or `+=`, on the calling thread only.
///
/// `output` has contiguous rows. The order of summation depends on the extents and the machine (its instruction set and
/// caches), but not on threads.
pub(crate) fn matmul<S: Scalar>(output: &mut [S], store: Store, lhs: Matrix<S>, rhs: Matrix<S>) {
    matmul_on(arch(), output, store, lhs, rhs);
}

fn matmul_on<S: Scalar>(arch: Arch, output: &mut [S], store: Store, lhs: Matrix<S>, rhs: Matrix<S>) {
    let (m, n, k) = (lhs.rows, rhs.columns, lhs.columns);
    assert_eq!(k, rhs.rows, "inner extents of a matrix product");
    assert_eq!(output.len(), m * n, "the result of a matrix product");
    if m == 0 || n == 0 {
        return;
    }
    for matrix in [&lhs, &rhs] {
        let [row, column] = matrix.strides;
        let last = (matrix.rows.max(1) - 1) * row + (matrix.columns.max(1) - 1) * column;
        assert!(
            k == 0 || last < matrix.data.len(),
            "an operand of a matrix product ends before its last element"
        );
    }
    // SAFETY: the extents and strides stay inside the three slices, as asserted above.
    unsafe { S::product(arch, output, store, lhs, rhs) }
}

/// A scalar type that the `gemm` crates have microkernels for.
pub trait Product: Sized {
    /// [`matmul`] by the microkernels of one instruction set.
    ///
    /// # Safety
    /// `lhs` and `rhs` have all elements of their extents and strides, and `output` has `lhs.rows` times `rhs.columns`
    /// elements, which is not 0.
    unsafe fn product(arch: Arch, output: &mut [Self], store: Store, lhs: Matrix<Self>, rhs: Matrix<Self>);
}

/// Calls `gemm` with the microkernels of one instruction set, with `$lanes` values per register.
///
/// The crate's own entry always takes the machine's widest instruction set. The microkernels write columns, so this
/// computes the transpose of the result.
macro_rules! product {
    ($gemm:ident::$set:ident::$t:ident, $simd:ty, $lanes:literal, $output:ident, $store:ident, $lhs:ident, $rhs:ident) => {{
        use $gemm::microkernel::$set::$t::{H_M, H_N, H_UKR, MR_DIV_N, NR, UKR};
        let [lhs_row, lhs_column] = $lhs.strides.map(|stride| stride as isize);
        let [rhs_row, rhs_column] = $rhs.strides.map(|stride| stride as isize);
        gemm_basic_generic::<_, $t, $lanes, { MR_DIV_N * $lanes }, NR, MR_DIV_N, H_M, H_N>(
            <$simd as MixedSimd<$t, $t, $t, $t>>::try_new().expect("a part of the instruction set"),
            $rhs.columns,
            $lhs.rows,
            $lhs.columns,
            $output.as_mut_ptr(),
            $rhs.columns as isize,
            1,
            $store == Store::Add,
            $rhs.data.as_ptr(),
            rhs_row,
            rhs_column,
            $lhs.data.as_ptr(),
            lhs_row,
            lhs_column,
            1.0,
            1.0,
            false,
            false,
            false,
            |a, b, c| a * b + c,
            &UKR,
            &H_UKR,
            false,
            Parallelism::None,
        )
    }};
}

macro_rules! products {
    ($gemm:ident $t:ident, [$avx512:literal, $avx2:literal, $neon:literal]) => {
        impl Product for $t {
            unsafe fn product(arch: Arch, output: &mut [$t], store: Store, lhs: Matrix<$t>, rhs: Matrix<$t>) {
                // SAFETY: as the caller promises; an `Arch` proves that the machine has its instructions; `output` is
                // borrowed exclusively, so it overlaps neither operand.
                unsafe {
                    match arch {
                        #[cfg(target_arch = "x86_64")]
                        Arch::V4(_) => {
                            product!($gemm::avx512f::$t, simd::V4, $avx512, output, store, lhs, rhs)
                        }
                        #[cfg(target_arch = "x86_64")]
                        Arch::V3(_) => product!($gemm::fma::$t, simd::V3, $avx2, output, store, lhs, rhs),
                        #[cfg(target_arch = "aarch64")]
                        Arch::Neon(_) => {
                            product!($gemm::neon::$t, simd::Scalar, $neon, output, store, lhs, rhs)
                        }
                        _ => product!($gemm::scalar::$t, simd::Scalar, 1, output, store, lhs, rhs),
                    }
                }
            }
        }
    };
}

products!(gemm_f32 f32, [16, 8, 4]);
products!(gemm_f64 f64, [8, 4, 2]);

/// Transposes `[rows, columns]` to `[columns, rows]` in tiles that are read and written in whole cache lines.
pub(crate) fn transpose<S: Scalar>(from: &[S], rows: usize, columns: usize, to: &mut [S]) {
    const SIDE: usize = 16;
    let mut tile = [[S::ZERO; SIDE]; SIDE];
    for row in (0..rows).step_by(SIDE) {
        let height = SIDE.min(rows - row);
        for column in (0..columns).step_by(SIDE) {
            let width = SIDE.min(columns - column);
            for (r, line) in tile.iter_mut().enumerate().take(height) {
                line[..width].copy_from_slice(&from[(row + r) * columns + column..][..width]);
            }
            for c in 0..width {
                let line = &mut to[(column + c) * rows + row..][..height];
                for (to, from) in line.iter_mut().zip(&tile) {
                    *to = from[c];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::instructions::available, *};

    /// Every instruction set, extents that fill tiles and registers and extents that do not, each operand stored by rows
    /// and by columns. The values are small whole numbers, so that sums are exact in any order.
    fn products<S: Scalar>() {
        let value = |i: usize| ((i * 37) % 11) as f64 - 5.0;
        let scalars = |values: &[f64]| values.iter().map(|&v| S::of(v)).collect::<Vec<_>>();
        for (m, n, k) in
            [(5, 3, 7), (1, 40, 9), (40, 1, 9), (9, 17, 2), (32, 96, 64), (131, 70, 67), (50, 67, 1100)]
        {
            let a: Vec<f64> = (0..m * k).map(value).collect();
            let b: Vec<f64> = (0..k * n).map(|i| value(i + 3)).collect();
            let product = |i: usize| (0..k).map(|j| a[i / n * k + j] * b[j * n + i % n]).sum::<f64>();
            let expected: Vec<f64> = (0..m * n).map(product).collect();
            let transposed = |x: &[f64], rows: usize, columns: usize| -> Vec<S> {
                (0..x.len()).map(|i| S::of(x[i % rows * columns + i / rows])).collect()
            };
            let (at, bt) = (transposed(&a, m, k), transposed(&b, k, n));
            let (a, b) = (scalars(&a), scalars(&b));
            for (name, arch) in available() {
                for lhs in [Matrix::rows(&a, m, k, k), Matrix::rows(&at, k, m, m).transposed()] {
                    for rhs in [Matrix::rows(&b, k, n, n), Matrix::rows(&bt, n, k, k).transposed()] {
                        let mut output = vec![S::ONE; m * n];
                        matmul_on(arch, &mut output, Store::Add, lhs, rhs);
                        let more: Vec<f64> = expected.iter().map(|e| e + 1.0).collect();
                        assert_eq!(output, scalars(&more), "{name}: += [{m}, {k}] [{k}, {n}]");
                        matmul_on(arch, &mut output, Store::Replace, lhs, rhs);
                        assert_eq!(output, scalars(&expected), "{name}: [{m}, {k}] [{k}, {n}]");
                    }
                }
            }
        }
    }

    #[test]
    fn products_of_all_orientations_on_every_instruction_set() {
        products::<f32>();
        products::<f64>();
    }
}
