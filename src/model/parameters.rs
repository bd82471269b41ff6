//! Parameters: their names and shapes on disk, their layout on a device, their initialisation.

use rayon::prelude::*;

use crate::{ops::Activation, rng, shape::Shape};

/// How a parameter's elements are ordered on a device, given its shape on disk (torchvision's).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// As on disk.
    Same,
    /// `[K, C, R, S]` on disk, `[R, S, C, K]` on the device.
    Conv,
    /// `[out, C * H * W]` on disk, `[out, H * W * C]` on the device: the layer after the flattened image.
    Flattened {
        /// Channels of the image.
        c: usize,
        /// Pixels of the image, `H * W`.
        pixels: usize,
    },
}

impl Layout {
    /// The extents on the device of a parameter with the extents `disk` on disk.
    pub fn device_shape(self, disk: &Shape) -> Shape {
        match (self, disk.dims()) {
            (Self::Conv, &[k, c, r, s]) => [r, s, c, k].into(),
            _ => disk.clone(),
        }
    }

    /// Reorders values from disk order to device order.
    pub fn to_device(self, disk: &Shape, values: &[f32]) -> Vec<f32> {
        let mut device = vec![0.0; values.len()];
        match (self, disk.dims()) {
            (Self::Conv, &[k, c, r, s]) => {
                device.par_chunks_mut(LINE * k).enumerate().for_each(|(chunk, rows)| {
                    let rows = (chunk * LINE..).zip(rows.chunks_exact_mut(k));
                    let mut rows: Vec<_> =
                        rows.map(|(row, values)| (in_filter(row, c, r * s), values)).collect();
                    for ki in 0..k {
                        rows.iter_mut().for_each(|(at, row)| row[ki] = values[ki * c * r * s + *at]);
                    }
                });
            }
            (Self::Flattened { c, pixels }, _) => transpose(values, &mut device, [c, pixels]),
            _ => device.copy_from_slice(values),
        }
        device
    }

    /// Reorders values from device order to disk order.
    pub fn to_disk(self, disk: &Shape, values: &[f32]) -> Vec<f32> {
        let mut ordered = vec![0.0; values.len()];
        match (self, disk.dims()) {
            (Self::Conv, &[k, c, r, s]) => {
                let filter = c * r * s;
                ordered.par_chunks_mut(LINE * filter).enumerate().for_each(|(chunk, filters)| {
                    for (row, values) in values.chunks_exact(k).enumerate() {
                        let at = in_filter(row, c, r * s);
                        let values = &values[chunk * LINE..];
                        filters.chunks_exact_mut(filter).zip(values).for_each(|(f, &value)| f[at] = value);
                    }
                });
            }
            (Self::Flattened { c, pixels }, _) => transpose(values, &mut ordered, [pixels, c]),
            _ => ordered.copy_from_slice(values),
        }
        ordered
    }
}

/// The values of a cache line: the outer index of a convolution's weights is walked in chunks of it, so that every line that is read or
/// written is used up while it is in the cache.
const LINE: usize = 16;

/// The place in a filter on disk, `[C, taps]`, of the values in a row of the device's `[taps, C]`.
fn in_filter(row: usize, c: usize, taps: usize) -> usize {
    row % c * taps + row / c
}

/// Transposes each matrix `[rows, columns]` of a batch.
fn transpose(from: &[f32], to: &mut [f32], [rows, columns]: [usize; 2]) {
    let size = rows * columns;
    to.par_chunks_mut(size).zip(from.par_chunks(size)).for_each(|(to, from)| {
        for (column, to) in to.chunks_exact_mut(rows).enumerate() {
            to.iter_mut().zip(from.chunks_exact(columns)).for_each(|(to, from)| *to = from[column]);
        }
    });
}

/// The initialisation of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Every element has this value.
    Constant(f32),
    /// Normal with mean 0 and this standard deviation.
    Normal(f64),
}

impl Init {
    /// He's initialisation for a convolution before an activation: `std = sqrt(2 / ((1 + a^2) fan_out))`, where `a` is the slope
    /// of a leaky ReLU below 0, and 0 for the others.
    ///
    /// # Source
    /// He et al.: "Delving deep into rectifiers" (2015); fan-out as torchvision chooses for VGG.
    pub fn he(fan_out: usize, activation: Activation) -> Self {
        let slope = match activation {
            Activation::LeakyRelu { negative_slope } => f64::from(negative_slope),
            _ => 0.0,
        };
        Self::Normal((2.0 / ((1.0 + slope * slope) * fan_out as f64)).sqrt())
    }
}

/// A named parameter or running statistic of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// torchvision's name, as `features.0.weight`.
    pub name: String,
    /// torchvision's shape.
    pub shape: Shape,
    /// The order on the device.
    pub layout: Layout,
    /// The initialisation.
    pub init: Init,
    /// How training changes it.
    pub training: Training,
}

/// How training changes a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Training {
    /// By the optimiser.
    Trained,
    /// Not at all.
    Frozen,
    /// Not by the optimiser: a running statistic of a batch norm, which frozen layers do not update.
    Statistic,
}

impl Parameter {
    /// Whether it is the weight of a convolution or a linear layer.
    pub fn is_weight(&self) -> bool {
        matches!(self.shape.dims().len(), 2 | 4)
    }

    /// Whether it is the weight matrix of a linear layer.
    pub fn is_matrix(&self) -> bool {
        self.shape.dims().len() == 2
    }

    /// Whether the optimiser trains it.
    pub fn trained(&self) -> bool {
        self.training == Training::Trained
    }

    /// The initial values in disk order: a pure function of (seed, `index` of the parameter in the network).
    pub fn initial(&self, seed: u64, index: usize) -> Vec<f32> {
        let count = self.shape.elements();
        match self.init {
            Init::Constant(value) => vec![value; count],
            Init::Normal(std) => rng::normal(seed, index as u32, count, std),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_go_there_and_back() {
        let conv = Shape::from([2, 3, 1, 2]);
        let values: Vec<f32> = (0..12).map(|v| v as f32).collect();
        let device = Layout::Conv.to_device(&conv, &values);
        // Element (k = 1, c = 2, r = 0, s = 1) is 11 on disk and ((0 * 2 + 1) * 3 + 2) * 2 + 1 on the device.
        assert_eq!(device[11], 11.0);
        // (k = 0, c = 1, s = 1): disk 3, device (1 * 3 + 1) * 2.
        assert_eq!(device[8], 3.0);
        assert_eq!(Layout::Conv.to_disk(&conv, &device), values);

        let flat = Layout::Flattened { c: 3, pixels: 2 };
        let linear = Shape::from([2, 6]);
        let device = flat.to_device(&linear, &values);
        // Row 0 on disk: c0p0 c0p1 c1p0 c1p1 c2p0 c2p1; on the device: p0c0 p0c1 p0c2 p1c0 p1c1 p1c2.
        assert_eq!(&device[..6], &[0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
        assert_eq!(flat.to_disk(&linear, &device), values);
    }

    /// More rows than a chunk has, and a chunk that is not full, in both directions.
    #[test]
    fn layouts_permute_as_their_definitions_say() {
        let values = |shape: &Shape| (0..shape.elements()).map(|v| v as f32).collect::<Vec<_>>();
        let (k, c) = (37, 19);
        let conv = Shape::from([k, c, 3, 3]);
        let device = Layout::Conv.to_device(&conv, &values(&conv));
        for (at, &value) in device.iter().enumerate() {
            let (tap, ci, ki) = (at / k / c, at / k % c, at % k);
            assert_eq!(value, ((ki * c + ci) * 9 + tap) as f32, "conv {at}");
        }
        assert_eq!(Layout::Conv.to_disk(&conv, &device), values(&conv));

        let (out, c, pixels) = (18, 33, 49);
        let (flat, linear) = (Layout::Flattened { c, pixels }, Shape::from([out, c * pixels]));
        let device = flat.to_device(&linear, &values(&linear));
        for (at, &value) in device.iter().enumerate() {
            let (o, pixel, ci) = (at / c / pixels, at / c % pixels, at % c);
            assert_eq!(value, ((o * c + ci) * pixels + pixel) as f32, "linear {at}");
        }
        assert_eq!(flat.to_disk(&linear, &device), values(&linear));
        assert_eq!(Layout::Same.to_disk(&linear, &device), device);
    }

    /// torch.nn.init.calculate_gain("leaky_relu", 0.5) is 1.2649; the others are taken for ReLU, as torchvision does.
    #[test]
    fn hes_initialisation_knows_the_activation() {
        let std = |activation| match Init::he(50, activation) {
            Init::Normal(std) => std * 50f64.sqrt(),
            other => panic!("{other:?}"),
        };
        assert!((std(Activation::LeakyRelu { negative_slope: 0.5 }) - 1.264_911_064).abs() < 1e-9);
        for activation in [Activation::Relu { at_zero: 0.5 }, Activation::Gelu, Activation::Silu] {
            assert_eq!(std(activation), 2f64.sqrt(), "{activation:?}");
        }
    }
}
