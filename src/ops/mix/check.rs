//! How [`MixImages`] is checked.

use super::{Mix, MixImages};
use crate::verify::check::{Check, Inputs, Tolerances, halve, roundings};

/// An image as it is, mixup, CutMix, erasing, and all at once with rectangles over the border.
const MIXES: [Mix; 5] = [
    Mix { share: 0.3, target: 0.3, ..Mix::NONE },
    Mix::NONE,
    Mix { swapped: [1.0, 2.0, 3.0, 5.0], target: 0.7, ..Mix::NONE },
    Mix { erased: [0.0, 1.0, 2.0, 4.0], ..Mix::NONE },
    Mix { erased: [-2.0, -1.0, 3.0, 2.0], swapped: [2.0, 1.0, 99.0, 99.0], share: 0.75, target: 0.5 },
];

/// `count` rows for a batch.
pub(in crate::ops) fn mixes(count: usize) -> Vec<f32> {
    let rows: Vec<Mix> = MIXES.into_iter().cycle().take(count).collect();
    bytemuck::cast_slice(&rows).to_vec()
}

impl Check for MixImages {
    fn cases() -> Vec<Self> {
        let case = |n, size, channels| Self { n, size, channels };
        vec![case(7, [28, 28], 1), case(5, [5, 9], 3), case(1, [3, 2], 2), case(2, [17, 24], 3)]
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.mixes = mixes(self.n);
    }

    /// Two products and their sum.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.output = roundings(4.0, 1.0);
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { n: halve(self.n)?, ..*self })
    }
}
