//! Matrix products, by the `gemm` crate.

use super::Scalar;

/// A matrix in a slice: element `(row, column)` is at `row * strides[0] + column * strides[1]`.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a, S> {
    pub data: &'a [S],
    pub rows: usize,
    pub columns: usize,
    pub strides: [usize; 2],
}

impl<'a, S> Matrix<'a, S> {
    /// Rows of `columns` elements, one `stride` behind the other.
    pub fn rows(data: &'a [S], rows: usize, columns: usize, stride: usize) -> Self {
        Self { data, rows, columns, strides: [stride, 1] }
    }

    /// The same elements with rows and columns exchanged.
    pub fn transposed(self) -> Self {
        let Self { data, rows, columns, strides: [row, column] } = self;
        Self { data, rows: columns, columns: rows, strides: [column, row] }
    }
}

/// What becomes of the values that the destination of a product holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    /// They are replaced.
    Replace,
    /// The product is added to them.
    Add,
}

/// `output[m, n] = lhs[m, k] * rhs[k, n]`, or `+=`, on the calling thread alone.
///
/// `output` has contiguous rows. Every element is summed in an order that depends on the extents alone, so
/// that results do not depend on threads.
pub(crate) fn matmul<S: Scalar>(output: &mut [S], store: Store, lhs: Matrix<S>, rhs: Matrix<S>) {
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
    let [lhs_row, lhs_column] = lhs.strides.map(|s| s as isize);
    let [rhs_row, rhs_column] = rhs.strides.map(|s| s as isize);
    // SAFETY: the extents and strides stay inside the three slices, as asserted above; `output` is borrowed
    // exclusively, so it overlaps neither operand; `S` is f32 or f64, which `gemm` supports.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            output.as_mut_ptr(),
            1,
            n as isize,
            store == Store::Add,
            lhs.data.as_ptr(),
            lhs_column,
            lhs_row,
            rhs.data.as_ptr(),
            rhs_column,
            rhs_row,
            S::ONE,
            S::ONE,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// `[rows, columns]` to `[columns, rows]`, in tiles that are read and written in whole cache lines.
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
    use super::*;

    #[test]
    fn products_of_all_orientations() {
        // 5x7 times 7x3, each operand stored by rows and by columns.
        let (m, n, k) = (5, 3, 7);
        let value = |i: usize| ((i * 37) % 11) as f64 - 5.0;
        let a: Vec<f64> = (0..m * k).map(value).collect();
        let b: Vec<f64> = (0..k * n).map(|i| value(i + 3)).collect();
        let expected: Vec<f64> = (0..m * n)
            .map(|i| (0..k).map(|j| a[i / n * k + j] * b[j * n + i % n]).sum::<f64>() + 1.0)
            .collect();
        let transpose = |x: &[f64], rows: usize, columns: usize| -> Vec<f64> {
            (0..x.len()).map(|i| x[i % rows * columns + i / rows]).collect()
        };
        let (at, bt) = (transpose(&a, m, k), transpose(&b, k, n));
        for lhs in [Matrix::rows(&a, m, k, k), Matrix::rows(&at, k, m, m).transposed()] {
            for rhs in [Matrix::rows(&b, k, n, n), Matrix::rows(&bt, n, k, k).transposed()] {
                let mut output = vec![1.0; m * n];
                matmul(&mut output, Store::Add, lhs, rhs);
                assert_eq!(output, expected);
                matmul(&mut output, Store::Replace, lhs, rhs);
                assert_eq!(output, expected.iter().map(|e| e - 1.0).collect::<Vec<_>>());
            }
        }
    }
}
