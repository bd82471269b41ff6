//! How fake quantisation is checked.

use super::{FakeQuantize, FakeQuantizeGrad, FakeQuantizeWeight, ObserveRange};
use crate::{
    ops::{Control, Sample},
    verify::{
        check::{Check, Inputs, Tolerances, halve, normal, roundings},
        shapes::LENGTHS,
    },
};

/// The end of a range with a step of 1/64, which f16 has exactly.
const RANGE: f32 = 255.0 / 64.0;

/// Whole steps and quarters, also beyond the range, but no halves: these may go to either neighbour.
fn quarters(name: &str, len: usize) -> Vec<f32> {
    let quarter = |at: usize| [0.0, 0.25, 0.75][at % 3];
    let values = normal(name, len).into_iter().enumerate();
    values.map(|(at, v)| ((v * 160.0).abs().floor() + quarter(at)) / 64.0).collect()
}

/// As [`quarters`], some of them below 0.
fn signed_quarters(len: usize) -> Vec<f32> {
    let mut values = quarters("input", len);
    values.iter_mut().step_by(9).for_each(|v| *v = -*v);
    values
}

impl Check for ObserveRange {
    fn cases() -> Vec<Self> {
        LENGTHS.into_iter().chain([70_001, 1_100_000]).map(|len| Self { len }).collect()
    }

    /// Lengths tell new ranges from old ones, and frozen ones.
    fn inputs(&self, data: &mut Inputs<Self>) {
        data.control = Control { range_momentum: [0.01, 0.5, 0.0][self.len % 3], ..Sample::of(Vec::new()) };
        data.range = vec![if self.len.is_multiple_of(2) { 0.0 } else { RANGE }];
    }

    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.range = roundings(3.0, 50.0);
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { len: halve(self.len)? })
    }
}

impl Check for FakeQuantize {
    fn cases() -> Vec<Self> {
        LENGTHS.map(|len| Self { len }).into()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.range = vec![if self.len == 3 { 0.0 } else { RANGE }];
        data.input = signed_quarters(self.len);
    }

    /// The size of a step is a quotient, which may be off by 2.5 units in the last place.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.output = roundings(4.0, 0.0);
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { len: halve(self.len)? })
    }
}

impl Check for FakeQuantizeGrad {
    fn cases() -> Vec<Self> {
        LENGTHS.map(|len| Self { len }).into()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.range = vec![RANGE];
        data.input = signed_quarters(self.len);
    }

    fn tolerances(&self, _: &mut Tolerances<Self>) {}

    fn halved(&self) -> Option<Self> {
        Some(Self { len: halve(self.len)? })
    }
}

impl Check for FakeQuantizeWeight {
    fn cases() -> Vec<Self> {
        let shapes = [[1, 1], [16, 9], [7, 36], [64, 576], [10, 257], [3, 4099]];
        let both =
            |[outputs, inputs]: [usize; 2]| [false, true].map(|columns| Self { outputs, inputs, columns });
        shapes.into_iter().flat_map(both).collect()
    }

    /// Quarters of steps of 1/64 below a largest weight of 127 steps; the second output is 0.
    fn inputs(&self, data: &mut Inputs<Self>) {
        for (at, (weight, value)) in
            data.weight.iter_mut().zip(quarters("weight", self.outputs * self.inputs)).enumerate()
        {
            *weight = if at % 2 == 0 { value % 1.9375 } else { -(value % 1.9375) };
        }
        for output in 0..self.outputs {
            data.weight[self.at(output, output % self.inputs)] = 127.0 / 64.0;
        }
        if self.outputs > 1 {
            (0..self.inputs).for_each(|input| data.weight[self.at(1, input)] = 0.0);
        }
    }

    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.output = roundings(4.0, 0.0);
    }
}
