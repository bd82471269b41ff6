//! How [`PrepareImages`] is checked.

use super::PrepareImages;
use crate::verify::check::{Check, Inputs, Tolerances, halve, roundings};

/// The identity, a rotation, and a transform that leaves the image.
const TRANSFORMS: [[f32; 6]; 3] = [
    [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
    [0.966, -0.2588, 1.7, 0.2588, 0.966, -2.3],
    [0.5, 0.0, -1e6, 0.0, 2.0, 3e9],
];

impl Check for PrepareImages {
    fn cases() -> Vec<Self> {
        let case = |n, source, output, channels: usize| {
            let (mean, std) = ([0.1307, 0.456, 0.406], [0.3081, 0.224, 0.225]);
            Self {
                n,
                source,
                output,
                mean: mean[..channels].into(),
                std: std[..channels].into(),
                reflect: false,
            }
        };
        let reflected = |case: Self| Self { reflect: true, ..case };
        vec![
            case(3, [28, 28], [28, 28], 1),
            case(2, [28, 28], [61, 47], 1),
            case(1, [5, 9], [24, 24], 3),
            case(2, [33, 32], [17, 24], 3),
            case(1, [1, 1], [3, 2], 1),
            reflected(case(3, [28, 20], [28, 20], 1)),
            reflected(case(3, [5, 9], [24, 24], 3)),
        ]
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        for (transform, kind) in data.transforms.chunks_exact_mut(6).zip(TRANSFORMS.iter().cycle()) {
            transform.copy_from_slice(kind);
        }
    }

    /// Positions of up to 61 pixels have an error of 4 eps each, times a slope of up to 1 / 0.22 per pixel.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.output = roundings(8.0, 61.0 / 0.22);
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { n: halve(self.n)?, ..self.clone() })
    }
}
