//! The amplification of rounding errors by Winograd's transforms.
//!
//! In one dimension `y = At [(G g) * (Bt d)]`. Inputs `d` and filters `g` are independent and of variance 1; each of the
//! products `m_i` then has variance `|G_i|^2 |B_i|^2`, and its f32 rounding error is proportional to its standard deviation.
//! An output sums those errors with its row of `At`: the variance of the error of output `y` is proportional to
//! `sum over i of At_yi^2 |G_i|^2 |B_i|^2`, compared with 3 for a plain sum of three products. In two dimensions the ratio of
//! variances is squared, so it becomes the ratio of standard deviations. The gradient of the weights is the transposed
//! algorithm: `dg = Gt [(A dy) * (Bt d)]`, compared with sums of as many products as a tile has outputs.
//!
//! Outliers: in a plain sum the product of two outliers affects one result, where it is expected; in a Winograd tile it enters
//! the products, and its rounding every result. One input `d_m` and one value of a filter `g_t` add the variance
//! `sum over i of At_yi^2 G_it^2 Bt_im^2` to the error of output `y`.

use crate::verify::Tolerance;

/// The matrices of an algorithm, by rows: `B` transposed, `G`, and `A` (not transposed).
struct Matrices {
    b: &'static [&'static [f64]],
    g: &'static [[f64; 3]],
    a: &'static [&'static [f64]],
}

/// F(4, 3) at the points 0, 1, -1, 2, -2, infinity.
const F4: Matrices = Matrices {
    b: &[
        &[4.0, 0.0, -5.0, 0.0, 1.0, 0.0],
        &[0.0, -4.0, -4.0, 1.0, 1.0, 0.0],
        &[0.0, 4.0, -4.0, -1.0, 1.0, 0.0],
        &[0.0, -2.0, -1.0, 2.0, 1.0, 0.0],
        &[0.0, 2.0, -1.0, -2.0, 1.0, 0.0],
        &[0.0, 4.0, 0.0, -5.0, 0.0, 1.0],
    ],
    g: &[
        [1.0 / 4.0, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ],
    a: &[
        &[1.0, 0.0, 0.0, 0.0],
        &[1.0, 1.0, 1.0, 1.0],
        &[1.0, -1.0, 1.0, -1.0],
        &[1.0, 2.0, 4.0, 8.0],
        &[1.0, -2.0, 4.0, -8.0],
        &[0.0, 0.0, 0.0, 1.0],
    ],
};

/// F(2, 3) at the points 0, 1, -1, infinity.
const F2: Matrices = Matrices {
    b: &[&[1.0, 0.0, -1.0, 0.0], &[0.0, 1.0, 1.0, 0.0], &[0.0, -1.0, 1.0, 0.0], &[0.0, 1.0, 0.0, -1.0]],
    g: &[[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]],
    a: &[&[1.0, 0.0], &[1.0, 1.0], &[1.0, -1.0], &[0.0, -1.0]],
};

fn squares(row: &[f64]) -> f64 {
    row.iter().map(|v| v * v).sum()
}

/// The product of the two outliers of the inputs, before batch norm.
const OUTLIERS: f64 = 50.0 * 50.0;

impl Matrices {
    /// Two matrices of the algorithm or its transpose, by rows: from the products to the results, with a column per result, and
    /// from the operand other than `d`, with a column per value.
    fn sides(&self, transposed: bool) -> [Vec<&[f64]>; 2] {
        let filter = self.g.iter().map(|row| &row[..]).collect();
        let outputs = self.a.to_vec();
        if transposed { [filter, outputs] } else { [outputs, filter] }
    }

    /// The largest over the results, the values of the other operand and those of the input.
    fn worst(
        &self,
        transposed: bool,
        other: impl Fn(&[f64], usize) -> f64,
        input: impl Fn(&[f64], usize) -> f64,
    ) -> f64 {
        let [back, across] = self.sides(transposed);
        let mut worst = 0.0;
        for result in 0..back[0].len() {
            for value in 0..across[0].len() {
                for at in 0..self.b.len() {
                    let rows = back.iter().zip(&across).zip(self.b);
                    let variance = rows.map(|((back, across), b)| {
                        back[result] * back[result] * other(across, value) * input(b, at)
                    });
                    worst = f64::max(worst, variance.sum());
                }
            }
        }
        worst
    }

    /// The standard deviation of the worst result's error in two dimensions, relative to that of a plain sum.
    fn deviation(&self, transposed: bool) -> f64 {
        let plain = if transposed { self.a[0].len() } else { 3 };
        self.worst(transposed, |row, _| squares(row), |row, _| squares(row)) / plain as f64
    }

    /// The standard deviation that one product of an input and a value of the other operand adds to the worst result's error,
    /// in two dimensions.
    fn of_one_product(&self, transposed: bool) -> f64 {
        self.worst(transposed, |row, at| row[at] * row[at], |row, at| row[at] * row[at])
    }
}

/// A variant's tolerance from that of plain sums: larger if its algorithm amplifies rounding. `transposed`: for the gradient of
/// the weights. `magnitude`: the one in `plain`, from the terms of a sum and an outlier.
pub(super) fn amplified(variant: &str, transposed: bool, magnitude: f64, plain: Tolerance) -> Tolerance {
    let matrices = match variant {
        name if name.starts_with("winograd4") => F4,
        name if name.starts_with("winograd2") => F2,
        _ => return plain,
    };
    let outliers = matrices.of_one_product(transposed) * OUTLIERS / magnitude;
    Tolerance { absolute: plain.absolute * (matrices.deviation(transposed) + outliers), ..plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The matrices are correct: without rounding, the algorithm computes the plain sums.
    #[test]
    fn the_matrices_convolve() {
        for Matrices { b, g, a } in [F4, F2] {
            let points = || b.iter().zip(g).zip(a);
            for index in 0..a[0].len() * 3 * b.len() {
                let (y, tap, d) = (index / b.len() / 3, index / b.len() % 3, index % b.len());
                let sum: f64 = points().map(|((b, g), a)| a[y] * g[tap] * b[d]).sum();
                let expected = if d == y + tap { 1.0 } else { 0.0 };
                assert!((sum - expected).abs() < 1e-12, "output {y}, tap {tap}, input {d}: {sum}");
            }
        }
    }

    #[test]
    fn the_worst_outputs_are_as_the_shaders_say() {
        let near = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 0.02, "{a} {b}");
        near(F4.deviation(false), 31.4);
        near(F4.deviation(true), 24.2);
        near(F2.deviation(false), 5.0 / 3.0);
        near(F2.deviation(true), 2.0);
    }
}
