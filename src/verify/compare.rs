//! Compares numbers up to rounding errors.

use crate::shape::Shape;

/// The largest allowed error of a value: `absolute + relative * |expected|`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// The absolute part.
    pub absolute: f64,
    /// The part relative to the expected value.
    pub relative: f64,
}

impl Tolerance {
    /// No error.
    pub const EXACT: Self = Self { absolute: 0.0, relative: 0.0 };

    /// A fraction of the expected value.
    pub fn relative(relative: f64) -> Self {
        Self { absolute: 0.0, relative }
    }

    /// An absolute error, whatever the expected value.
    pub fn absolute(absolute: f64) -> Self {
        Self { absolute, relative: 0.0 }
    }

    /// The rounding error of a sum of `terms` products of magnitude `magnitude` in a type with the given machine
    /// epsilon: every partial sum, at most `terms * magnitude`, is rounded by half an epsilon. With random signs both
    /// the partial sums and their errors grow like square roots; the factor 4 covers the tails.
    pub fn sum(epsilon: f64, terms: usize, magnitude: f64) -> Self {
        Self { absolute: 4.0 * epsilon * (terms as f64 + 1.0) * magnitude, relative: 4.0 * epsilon }
    }

    fn at(self, expected: f64) -> f64 {
        self.absolute + self.relative * expected.abs()
    }
}

/// Compares, in this order: lengths, NaNs, infinities, errors. Returns the worst error as a fraction of its tolerance.
///
/// # Errors
/// The first element that is NaN or infinite on one side only, or the worst error with its position, both values and
/// its percentage of the tolerance.
pub fn check(
    name: &str,
    shape: &Shape,
    actual: &[f64],
    expected: &[f64],
    tolerance: Tolerance,
) -> Result<f64, String> {
    let elements = shape.elements();
    if actual.len() != elements || expected.len() != elements {
        let (a, e) = (actual.len(), expected.len());
        return Err(format!("{name} {shape}: {a} values, {e} expected, {elements} in the shape"));
    }
    let position = |index: usize| {
        let mut rest = index;
        let mut at: Vec<usize> = shape.dims().iter().rev().map(|d| (rest % d, rest /= d).0).collect();
        at.reverse();
        format!("{name} {shape} at {at:?}")
    };
    type Kind = fn(f64) -> bool;
    for (what, kind) in [("NaN", f64::is_nan as Kind), ("infinite", f64::is_infinite as Kind)] {
        for (index, (&a, &e)) in actual.iter().zip(expected).enumerate() {
            if kind(a) != kind(e) || (what == "infinite" && kind(a) && a != e) {
                return Err(format!("{}: {a}, but {e} is expected ({what})", position(index)));
            }
        }
    }
    let mut worst = (0, 0.0);
    let mut outside = 0;
    for (index, (&a, &e)) in actual.iter().zip(expected).enumerate() {
        if !e.is_finite() {
            continue;
        }
        let (error, allowed) = ((a - e).abs(), tolerance.at(e));
        let within = error <= allowed;
        outside += usize::from(!within);
        let share = if within && error == 0.0 { 0.0 } else { error / allowed };
        if share > worst.1 {
            worst = (index, share);
        }
    }
    let (index, share) = worst;
    if outside == 0 {
        return Ok(share);
    }
    let (a, e) = (actual[index], expected[index]);
    let percent = 100.0 * share;
    Err(format!(
        "{}: {a:e}, but {e:e} is expected; the error {:e} is {percent:.0} % of the tolerance; {outside} of \
         {elements} values are outside",
        position(index),
        (a - e).abs()
    ))
}
