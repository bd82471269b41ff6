//! The test cases and inputs of an operation, and the tolerances of its kernels' results.

use half::f16;

use super::compare::Tolerance;
use crate::{
    dtype::DType,
    ops::{
        Access, Control, Each, Family, Half, Kind, Op, Operand, Operands, Operation, Owned, Sample, Source,
        Visitor, each, for_each_op, list,
    },
    rng,
};

/// Test data for an operation's operands, each in its own type.
pub(crate) type Inputs<O> = <O as Operation>::Operands<Owned>;
/// A tolerance for each operand; ignored for operands that are only read.
pub(crate) type Tolerances<O> = <O as Operation>::Operands<Each<Tolerance>>;
/// The values of each operand that is written; empty for the others.
pub(crate) type Results<O> = <O as Operation>::Operands<Each<Vec<f64>>>;

/// How an operation is checked: `src/ops/<op>/check.rs`.
pub(crate) trait Check: Operation {
    /// The shapes of VGG16 at small batches, and awkward ones.
    fn cases() -> Vec<Self>;

    /// Replaces the initial normal values of the operands by harder ones: ties, equal channels, large means, exact and
    /// negative zeros.
    fn inputs(&self, _data: &mut Inputs<Self>) {}

    /// The f32 tolerance of each result; exact unless set. Sums take [`Tolerance::sum`] of their length and the magnitude of
    /// a term, all other results a few roundings of the largest intermediate value.
    fn tolerances(&self, results: &mut Tolerances<Self>);

    /// A variant's addition to [`Check::tolerances`].
    fn of_variant(&self, _variant: &str, _results: &mut Tolerances<Self>) {}

    /// The absolute error of a product whose operands are rounded to f16 after a prologue.
    fn half_operands(&self) -> f64 {
        0.0
    }

    /// The f16 tolerance of reductions over other results, which a kernel may compute before or after rounding those. An
    /// operand that stays `None` gets the tolerance of a rounded result.
    fn half_reductions(&self, _results: &mut Self::Operands<Each<Option<Tolerance>>>) {}

    /// Replaces the expected values of reductions over a kernel's own results by reductions of its actual results: otherwise
    /// the tolerance would have to include the errors of those results.
    fn of_own_results(&self, _inputs: &Inputs<Self>, _own: &Results<Self>, _expected: &mut Results<Self>) {}

    /// The operation on half as many images, rows or elements; `None` if there is only one, or if it is cheap on any shape.
    fn halved(&self) -> Option<Self> {
        None
    }
}

/// f16 rounds by half a unit in the last of its 11 digits.
pub(crate) const HALF_EPSILON: f64 = 1.0 / 2048.0;
/// A device may flush numbers below the smallest normal f16 to 0.
const HALF_TINY: f64 = 1.0 / 16_384.0;
/// The machine epsilon of f32.
pub(crate) const EPSILON: f64 = f32::EPSILON as f64;
/// The second value of every float operand.
pub(crate) const OUTLIER: f32 = 50.0;
/// The period of the normal values.
const PERIOD: usize = 1 << 23;

/// Normal values, seeded with the operand's name.
pub(crate) fn normal(name: &str, len: usize) -> Vec<f32> {
    let index = name.bytes().fold(0, |sum: u32, b| sum.wrapping_mul(31).wrapping_add(u32::from(b)));
    let period = rng::normal(12, index, len.min(PERIOD), 1.0);
    if len <= PERIOD { period } else { period.iter().copied().cycle().take(len).collect() }
}

/// Positive normal values: variances, second moments.
pub(crate) fn positive(name: &str, len: usize) -> Vec<f32> {
    normal(name, len).iter().map(|v| v.abs() + 0.05).collect()
}

/// Sets every fifth value to exactly 0.
pub(crate) fn zeros(values: &mut [f32]) {
    values.iter_mut().skip(2).step_by(5).for_each(|v| *v = 0.0);
}

/// Rounds to few enough binary digits that differences and products are exact.
pub(crate) fn few_digits(values: &mut [f32], steps: f32) {
    values.iter_mut().for_each(|v| *v = (*v * steps).round() / steps);
}

/// Small whole numbers, many of them equal.
pub(crate) fn whole_numbers(values: &mut [f32]) {
    values.iter_mut().for_each(|v| *v = (*v * 1.5).round());
}

/// Inserts NaN, both infinities and negative zero.
pub(crate) fn special(values: &mut [f32]) {
    for (at, odd) in [(5, f32::NAN), (6, f32::INFINITY), (11, f32::NEG_INFINITY), (12, -0.0)] {
        if let Some(v) = values.get_mut(at) {
            *v = odd;
        }
    }
}

/// Values for the ReLU: exact zeros of both signs, NaN, infinities.
pub(crate) fn ties(name: &str, len: usize) -> Vec<f32> {
    let mut values = normal(name, len);
    whole_numbers(&mut values);
    special(&mut values);
    values
}

/// The vectors of a batch norm: mean, scale, shift and inverse standard deviation, or offset and slope. Means and shifts are
/// multiples of 1 / 8 and scales of 1 / 2, so that inputs with few digits normalise to exact zeros in the kernel and in the
/// reference. `large` is added to every fifth mean.
pub(crate) fn affine(name: &str, [fields, channels]: [usize; 2], large: f32) -> Vec<f32> {
    let mut values = normal(name, fields * channels);
    for (i, v) in values.iter_mut().enumerate() {
        match i / channels {
            0 => *v = (*v * 8.0).round() / 8.0 + if i % channels % 5 == 1 { large } else { 0.0 },
            1 => *v = (*v * 2.0).round() / 2.0,
            2 => *v = (*v * 8.0).round() / 8.0,
            _ => *v = v.abs() + 0.05,
        }
    }
    values
}

/// The vectors of a norm of a batch, or of each of so many images.
pub(crate) fn affine_of(name: &str, images: Option<usize>, channels: usize, large: f32) -> Vec<f32> {
    let image = |image: usize| affine(&format!("{name}{image}"), [4, channels], large);
    images.map_or_else(|| affine(name, [4, channels], large), |images| (0..images).flat_map(image).collect())
}

/// A label for each of `n` images.
pub(crate) fn labels(n: usize, classes: usize) -> Vec<u32> {
    (0..n).map(|n| (n * 7 % classes) as u32).collect()
}

/// Rows of `classes` values, each row through softmax.
pub(crate) fn softmax(mut values: Vec<f32>, classes: usize) -> Vec<f32> {
    for row in values.chunks_exact_mut(classes) {
        let sum: f32 = row.iter().map(|v| v.exp()).sum();
        row.iter_mut().for_each(|v| *v = v.exp() / sum);
    }
    values
}

/// Half of an extent; `None` if that is 0.
pub(crate) fn halve(extent: usize) -> Option<usize> {
    (extent > 1).then_some(extent / 2)
}

/// The tolerance of `roundings` roundings of the result and of a value of this magnitude.
pub(crate) fn roundings(roundings: f64, magnitude: f64) -> Tolerance {
    Tolerance { absolute: roundings * EPSILON * magnitude, relative: roundings * EPSILON }
}

/// A tolerance for each of the operands of `op`.
fn each_tolerance<O: Check>(op: &O, operands: &[Operand], variant: &str) -> Tolerances<O> {
    let mut tolerances = each(operands, |_| Tolerance::EXACT);
    op.tolerances(&mut tolerances);
    op.of_variant(variant, &mut tolerances);
    tolerances
}

fn tolerances<O: Check>(op: &O, storage: DType, operands: &[Operand], variant: &str) -> Vec<Tolerance> {
    let mut reductions = each(operands, |_| None);
    op.half_reductions(&mut reductions);
    let computed = list(each_tolerance(op, operands, variant)).into_iter().zip(list(reductions));
    let half = |((computed, reduction), operand): ((Tolerance, Option<Tolerance>), &Operand)| {
        // A cast has f16 and f32 operands.
        if storage != DType::F16 && operand.dtype != DType::F16 {
            return computed;
        }
        if let Some(reduction) = reduction {
            return Tolerance {
                absolute: computed.absolute + reduction.absolute,
                relative: computed.relative + reduction.relative,
            };
        }
        if !matches!(operand.dtype, DType::F16 | DType::F32) {
            return computed;
        }
        let written = if operand.dtype == DType::F16 { HALF_EPSILON } else { 0.0 };
        Tolerance {
            absolute: (computed.absolute + op.half_operands()) * (1.0 + written) + HALF_TINY,
            relative: computed.relative + written,
        }
    };
    computed.map(|((_, computed), (_, reduction))| (computed, reduction)).zip(operands).map(half).collect()
}

/// The operands of an operation with their test data.
fn inputs<O: Check>(op: &O, operands: &[Operand]) -> Inputs<O> {
    struct Fill<'a>(std::slice::Iter<'a, Operand>);
    impl Source<Owned> for Fill<'_> {
        fn has(&self, name: &'static str) -> bool {
            self.0.as_slice().first().is_some_and(|operand| operand.name == name)
        }

        fn take<K: Kind>(&mut self, name: &'static str) -> <Owned as Family>::Of<K> {
            let operand = self.0.next().expect("operands that this operation declared");
            let mut values = normal(name, operand.shape.elements());
            if let Some(outlier) = values.get_mut(1) {
                *outlier = OUTLIER;
            }
            Sample::of(values)
        }
    }
    let mut data = Inputs::<O>::fill(&mut Fill(operands.iter()));
    op.inputs(&mut data);
    data
}

/// The bytes of the operands in their storage types.
fn bytes(data: impl Operands<Owned>, operands: &[Operand]) -> Vec<Vec<u8>> {
    struct Bytes<'a>(std::slice::Iter<'a, Operand>, Vec<Vec<u8>>);
    impl Visitor<Owned> for Bytes<'_> {
        fn visit<K: Kind>(&mut self, _: &'static str, value: <Owned as Family>::Of<K>) {
            let operand = self.0.next().expect("operands that this operation declared");
            self.1.push(match operand.dtype {
                DType::F16 => value.floats().iter().flat_map(|&v| f16::from_f32(v).to_ne_bytes()).collect(),
                _ => value.bytes(),
            });
        }
    }
    let mut bytes = Bytes(operands.iter(), Vec::new());
    data.show(&mut bytes);
    bytes.1
}

fn own<O: Check>(op: &O, operands: &[Operand], actual: &[Vec<f64>], expected: &mut Vec<Vec<f64>>) {
    let results = |values: &[Vec<f64>]| {
        let mut values = values.iter().cloned();
        let written = |operand: &Operand| match operand.access {
            Access::Read => Vec::new(),
            _ => values.next().expect("a result"),
        };
        each::<_, Results<O>>(operands, written)
    };
    let (own, mut replaced) = (results(actual), results(expected));
    op.of_own_results(&inputs(op, operands), &own, &mut replaced);
    let replaced = list(replaced).into_iter().zip(operands);
    *expected = replaced
        .filter(|(_, operand)| operand.access != Access::Read)
        .map(|((_, values), _)| values)
        .collect();
}

/// The control block of all cases: a late step, and one padding image if there are several images.
pub(crate) fn late(images: usize) -> Control {
    Control { valid: (images - usize::from(images > 1)) as u32, ..Sample::of(Vec::new()) }
}

/// The size up to which a case is repeated with f16 operands.
const HALVES: usize = 1 << 20;

macro_rules! walk {
    ($($op:ident,)*) => {
        use crate::ops::{$($op),*};

        fn plain_cases(name: &str) -> Vec<Op> {
            match name {
                $($op::NAME => $op::cases().into_iter().map(Op::from).collect(),)*
                other => unreachable!("{other} is not an operation"),
            }
        }

        /// The bytes of the operands before the operation runs, in order.
        pub fn input_bytes(op: &Op) -> Vec<Vec<u8>> {
            let operands = op.operands();
            match op.plain() {
                $(Op::$op(op) => bytes(inputs(op, &operands), &operands),)*
                Op::Half(_) => unreachable!("a plain operation"),
            }
        }

        /// The tolerance of each operand for a variant.
        pub(super) fn tolerances_of(op: &Op, variant: &str) -> Vec<Tolerance> {
            let (operands, storage) = (op.operands(), op.storage());
            match op.plain() {
                $(Op::$op(op) => tolerances(op, storage, &operands, variant),)*
                Op::Half(_) => unreachable!("a plain operation"),
            }
        }

        /// As [`Check::of_own_results`], on the values of the operands that are written.
        pub(super) fn of_own_results(op: &Op, actual: &[Vec<f64>], expected: &mut Vec<Vec<f64>>) {
            let operands = op.operands();
            match op.plain() {
                $(Op::$op(op) => own(op, &operands, actual, expected),)*
                Op::Half(_) => unreachable!("a plain operation"),
            }
        }

        /// As [`Check::halved`].
        pub(crate) fn halved(op: &Op) -> Option<Op> {
            let halved = match op.plain() {
                $(Op::$op(op) => op.halved().map(Op::from),)*
                Op::Half(_) => unreachable!("a plain operation"),
            };
            match op {
                Op::Half(_) => halved.map(|op| Half::new(op).into()),
                _ => halved,
            }
        }
    };
}
for_each_op!(walk);

/// The cases of the operation with this name in [`Op::NAMES`], including those with f16 operands.
pub fn cases(op: &str) -> Vec<Op> {
    let mut cases = plain_cases(op);
    let small = |op: &&Op| op.operands().iter().all(|o| o.shape.elements() <= HALVES);
    let half = |op: &Op| Op::from(Half::new(op.clone()));
    let halves = cases.iter().filter(small).filter(|op| !matches!(op, Op::Cast(_))).map(half);
    let halves: Vec<Op> = halves.filter(|op| op.operands().iter().any(|o| o.dtype == DType::F16)).collect();
    cases.extend(halves);
    cases
}
