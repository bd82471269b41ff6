//! 3x3 convolution by Winograd's minimal filtering F(m x m, 3x3), for the CPU device.
//!
//! `y = At [(G w Gt) * (Bt d B)] A` on tiles of `m + 2` by `m + 2` inputs and `m` by `m` outputs: a sum over channels of
//! products at `(m + 2)^2` points, which is as many matrix products `[tiles, c] * [c, k]`. Images of at most two by two pixels
//! need three points per side. The gradient of the input is the convolution with the rotated filters, the gradient of the
//! weights the transposed map: `Gt [V' * (A dy At)] G`.
//!
//! With few tiles, tasks are slices of channels, and the transformed filters never leave a core's cache; otherwise tasks are
//! groups of tiles. Both depend only on shapes.

mod filters;
mod forms;
mod layout;
mod plan;
mod tiles;

use filters::Filters;
pub(super) use filters::Weights;
use layout::{Layout, padded};
pub(super) use plan::Plan;
use plan::{BLOCK, ROWS, Region, SLICE};
use rayon::prelude::*;
use tiles::{Gather, GradFilters, Spread};

use super::Conv;
use crate::cpu::{
    CHUNK, Lanes, Scalar,
    matmul::{Matrix, Store, matmul},
    prologue::Prologue,
};

/// `source[n, h, w, c]`, `weight` from c to k channels to `output[n, h, w, k]`, plus `bias[k]` if given.
pub(super) fn convolve<S: Scalar>(
    plan: &Plan,
    source: Prologue<S>,
    weight: Weights<S>,
    bias: &[S],
    output: &mut [S],
    lanes: &Lanes<S>,
    shared: &mut [S],
) {
    if plan.few() {
        convolve_by_slices(plan, source, weight, bias, output, lanes, shared);
    } else {
        convolve_by_tiles(plan, source, weight, bias, output, lanes, shared);
    }
}

fn convolve_by_tiles<S: Scalar>(
    plan: &Plan,
    source: Prologue<S>,
    weight: Weights<S>,
    bias: &[S],
    output: &mut [S],
    lanes: &Lanes<S>,
    shared: &mut [S],
) {
    let Conv { h, w, c, k, .. } = plan.conv;
    let points = plan.points();
    let filters = &mut shared[..points * c * k];
    filters.par_chunks_mut(ROWS * points * k).enumerate().for_each(|(chunk, filters)| {
        let rows = chunk * ROWS..chunk * ROWS + filters.len() / (points * k);
        Filters { t: plan.t, weight, extents: [c, k], rows, columns: 0..k, points: filters }.run();
    });
    let filters = &*filters;
    let [images, rows] = plan.task();
    let each = plan.tiles[0].div_ceil(rows);
    let part = if each > 1 { rows * plan.m * w * k } else { images * h * w * k };
    output.par_chunks_mut(images * h * w * k).enumerate().for_each(|(group, output)| {
        output.par_chunks_mut(part).enumerate().for_each(|(index, output)| {
            let region = &plan.region(group * each + index);
            let tiles = region.tiles(plan);
            let results = Layout::apart(tiles, k);
            lanes.with(plan.framed() + plan.apart(tiles, c) + points * results.point, |room| {
                let (framed, room) = room.split_at_mut(plan.framed());
                let (spread, products) = room.split_at_mut(plan.apart(tiles, c));
                let layout = Layout::apart(tiles, padded(c));
                let tile = Spread {
                    plan,
                    region,
                    source,
                    channels: c,
                    gradient: false,
                    framed,
                    points: spread,
                    layout,
                };
                tile.run();
                for (p, products) in products.chunks_exact_mut(results.point).enumerate() {
                    let left = Matrix::rows(&spread[p * layout.point..], tiles, c, layout.item);
                    let filter = Matrix::rows(&filters[p * k..], c, k, points * k);
                    matmul(&mut products[..tiles * k], Store::Replace, left, filter);
                }
                Gather { plan, region, points: products, layout: results, bias, channels: k, output }.run();
            });
        });
    });
}

/// Transforms all tiles to `points[tiles, t * t, channels]`.
fn spread_all<S: Scalar>(
    plan: &Plan,
    source: Prologue<S>,
    channels: usize,
    gradient: bool,
    points: &mut [S],
    lanes: &Lanes<S>,
) -> Layout {
    let layout = Layout { point: padded(channels), item: plan.points() * padded(channels) };
    points.par_chunks_mut(plan.image_tiles() * layout.item).enumerate().for_each(|(image, points)| {
        let region = &Region { images: image..image + 1, rows: 0..plan.tiles[0] };
        lanes.with(plan.framed(), |framed| {
            Spread { plan, region, source, channels, gradient, framed, points, layout }.run();
        });
    });
    layout
}

fn convolve_by_slices<S: Scalar>(
    plan: &Plan,
    source: Prologue<S>,
    weight: Weights<S>,
    bias: &[S],
    output: &mut [S],
    lanes: &Lanes<S>,
    shared: &mut [S],
) {
    let Conv { c, k, .. } = plan.conv;
    let (points, tiles, pixels) = (plan.points(), plan.all_tiles(), plan.conv.pixels());
    let (spread, slices) = shared.split_at_mut(plan.spread(tiles, c));
    let layout = spread_all(plan, source, c, false, spread, lanes);
    let (spread, slices) = (&*spread, &mut slices[..pixels * k]);
    let all = &Region { images: 0..plan.conv.n, rows: 0..plan.tiles[0] };
    slices.par_chunks_mut(pixels * SLICE).enumerate().for_each(|(slice, output)| {
        let channels = output.len() / pixels;
        let outputs = slice * SLICE..slice * SLICE + channels;
        lanes.with(points * channels * (tiles + BLOCK), |room| {
            let (products, filters) = room.split_at_mut(points * tiles * channels);
            for first in (0..c).step_by(BLOCK) {
                let inputs = first..(first + BLOCK).min(c);
                let filters = &mut filters[..points * inputs.len() * channels];
                let (rows, columns) = (inputs.clone(), outputs.clone());
                Filters { t: plan.t, weight, extents: [c, k], rows, columns, points: &mut *filters }.run();
                let store = if first > 0 { Store::Add } else { Store::Replace };
                for (p, products) in products.chunks_exact_mut(tiles * channels).enumerate() {
                    let from = &spread[p * layout.point + first..];
                    let tiles = Matrix::rows(from, tiles, inputs.len(), layout.item);
                    let filter = &filters[p * channels..];
                    let filter = Matrix::rows(filter, inputs.len(), channels, points * channels);
                    matmul(products, store, tiles, filter);
                }
            }
            let bias = if bias.is_empty() { bias } else { &bias[outputs.clone()] };
            let layout = Layout { point: tiles * channels, item: channels };
            Gather { plan, region: all, points: products, layout, bias, channels, output }.run();
        });
    });
    let slices = &*slices;
    output.par_chunks_mut(CHUNK / k * k + k).enumerate().for_each(|(chunk, output)| {
        for (row, output) in output.chunks_exact_mut(k).enumerate() {
            let pixel = chunk * (CHUNK / k + 1) + row;
            for (slice, part) in output.chunks_mut(SLICE).enumerate() {
                let width = part.len();
                part.copy_from_slice(&slices[slice * SLICE * pixels + pixel * width..][..width]);
            }
        }
    });
}

/// `input[n, h, w, c]`, `grad_output[n, h, w, k]` to `grad_weight[3, 3, c, k]`, or `+=`.
pub(super) fn grad_weight<S: Scalar>(
    plan: &Plan,
    [input, grad_output]: [Prologue<S>; 2],
    accumulate: bool,
    grad_weight: &mut [S],
    lanes: &Lanes<S>,
    shared: &mut [S],
) {
    let Conv { c, k, .. } = plan.conv;
    let points = plan.points();
    if plan.by_slices() {
        let tiles = plan.all_tiles();
        let (inputs, gradients) = shared.split_at_mut(plan.spread(tiles, c));
        let gradients = &mut gradients[..plan.spread(tiles, k)];
        let from = spread_all(plan, input, c, false, inputs, lanes);
        let to = spread_all(plan, grad_output, k, true, gradients, lanes);
        let (inputs, gradients) = (&*inputs, &*gradients);
        tap_chunks(grad_weight, c * k, SLICE * k, |chunk, taps| {
            let rows = taps[0].len() / k;
            lanes.with(points * rows * k, |sums| {
                for (p, sum) in sums.chunks_exact_mut(rows * k).enumerate() {
                    let input = &inputs[p * from.point + chunk * SLICE..];
                    let input = Matrix::rows(input, tiles, rows, from.item).transposed();
                    let gradient = Matrix::rows(&gradients[p * to.point..], tiles, k, to.item);
                    matmul(sum, Store::Replace, input, gradient);
                }
                let layout = Layout { point: rows * k, item: k };
                GradFilters { t: plan.t, points: sums, layout, columns: k, accumulate, taps }.run();
            });
        });
        return;
    }
    let (parts, tasks, size) = (plan.parts(), plan.tasks(), points * c * k);
    let sums = &mut shared[..parts * size];
    sums.par_chunks_mut(size).enumerate().for_each(|(part, sums)| {
        for task in part * tasks / parts..(part + 1) * tasks / parts {
            let store = if task > part * tasks / parts { Store::Add } else { Store::Replace };
            let region = &plan.region(task);
            let tiles = region.tiles(plan);
            lanes.with(plan.framed() + plan.apart(tiles, c) + plan.apart(tiles, k), |room| {
                let (framed, room) = room.split_at_mut(plan.framed());
                let (inputs, gradients) = room.split_at_mut(plan.apart(tiles, c));
                let from = Layout::apart(tiles, padded(c));
                let to = Layout::apart(tiles, padded(k));
                Spread {
                    plan,
                    region,
                    source: input,
                    channels: c,
                    gradient: false,
                    framed: &mut *framed,
                    points: &mut *inputs,
                    layout: from,
                }
                .run();
                Spread {
                    plan,
                    region,
                    source: grad_output,
                    channels: k,
                    gradient: true,
                    framed,
                    points: &mut *gradients,
                    layout: to,
                }
                .run();
                for (p, sum) in sums.chunks_exact_mut(c * k).enumerate() {
                    let input = Matrix::rows(&inputs[p * from.point..], tiles, c, from.item).transposed();
                    let gradient = Matrix::rows(&gradients[p * to.point..], tiles, k, to.item);
                    matmul(sum, store, input, gradient);
                }
            });
        }
    });
    let (total, rest) = sums.split_at_mut(size);
    total.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, total)| {
        for part in rest.chunks_exact(size) {
            for (sum, &part) in total.iter_mut().zip(&part[chunk * CHUNK..]) {
                *sum += part;
            }
        }
    });
    let total = &*total;
    tap_chunks(grad_weight, c * k, ROWS * k, |chunk, taps| {
        let points = &total[chunk * ROWS * k..];
        let layout = Layout { point: c * k, item: k };
        GradFilters { t: plan.t, points, layout, columns: k, accumulate, taps }.run();
    });
}

/// Calls `work` with each chunk of the nine taps `[tap]` of `weight[9 * tap]`.
fn tap_chunks<S: Scalar>(
    weight: &mut [S],
    tap: usize,
    chunk: usize,
    work: impl Fn(usize, [&mut [S]; 9]) + Sync,
) {
    let mut taps = weight.chunks_exact_mut(tap);
    let [a, b, c, d, e, f, g, h, i] =
        std::array::from_fn(|_| taps.next().expect("nine taps").par_chunks_mut(chunk));
    (a, b, c, d, e, f, g, h, i)
        .into_par_iter()
        .enumerate()
        .for_each(|(index, (a, b, c, d, e, f, g, h, i))| work(index, [a, b, c, d, e, f, g, h, i]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cpu::{Scratch, prologue::Through},
        ops::{
            Activation, ConvForward, ConvForwardOperands, ConvGradInput, ConvGradInputOperands,
            ConvGradWeight, ConvGradWeightOperands, Slices, conv::reference,
        },
        rng,
    };

    const RELU: Activation = Activation::Relu { at_zero: 0.5 };

    fn values(index: u32, len: usize) -> Vec<f64> {
        rng::normal(1, index, len, 1.0).into_iter().map(f64::from).collect()
    }

    /// Both paths through each function with every tile size, against the definitions in f64: the transforms are exact up to
    /// rounding.
    #[test]
    fn the_transforms_give_the_convolution_and_its_gradients() {
        let shapes = [
            (2, 2, 2, 8, 9),
            (140, 2, 2, 70, 16),
            (3, 1, 2, 130, 65),
            (5, 2, 30, 12, 20),
            (3, 3, 3, 17, 33),
            (2, 3, 2, 130, 70),
            (1, 7, 7, 16, 8),
            (2, 14, 5, 31, 20),
            (9, 28, 28, 8, 16),
            (3, 30, 50, 12, 20),
            (40, 7, 6, 140, 256),
        ];
        for (n, h, w, c, k) in shapes {
            let conv = Conv { n, h, w, c, k };
            let affine = [values(5, c), values(6, c), values(7, c), vec![f64::NAN; c]].concat();
            let (x, wt) = (values(1, n * h * w * c), values(2, 9 * c * k));
            let (bias, dy) = (values(3, k), values(4, n * h * w * k));
            let (output, grad_affine) = (values(8, dy.len()), values(9, 5 * k));
            let forward = ConvForward { conv, normalized: Some(RELU), by_image: false, statistics: false };
            let grad_input = ConvGradInput { conv, through: Some(RELU), statistics: None };
            let grad_weight = ConvGradWeight {
                conv,
                normalized: Some(RELU),
                by_image: false,
                through: Some(RELU),
                accumulate: false,
            };
            let (plan, reversed) =
                (Plan::new(&conv).unwrap(), Plan::new(&Conv { c: k, k: c, ..conv }).unwrap());
            let needs = plan.sizes().max(reversed.sizes()).max(plan.grad_weight_sizes());
            let scratch = &mut Scratch::new(needs, rayon::current_num_threads());
            let [mut y, mut y2] = [(); 2].map(|()| vec![f64::NAN; dy.len()]);
            let [mut dx, mut dx2] = [(); 2].map(|()| vec![f64::NAN; x.len()]);
            let [mut dw, mut dw2] = [(); 2].map(|()| vec![f64::NAN; wt.len()]);
            reference::forward(
                &forward,
                ConvForwardOperands::<Slices<'_, f64>> {
                    input: &x,
                    affine: Some(&affine),
                    weight: &wt,
                    bias: &bias,
                    output: &mut y,
                    batch_mean: None,
                    batch_var: None,
                },
            );
            reference::grad_input(
                &grad_input,
                ConvGradInputOperands::<Slices<'_, f64>> {
                    grad_output: &dy,
                    output: Some(&output),
                    grad_affine: Some(&grad_affine),
                    weight: &wt,
                    input: None,
                    affine: None,
                    grad_input: &mut dx,
                    grad_gamma: None,
                    grad_beta: None,
                },
            );
            reference::grad_weight(
                &grad_weight,
                ConvGradWeightOperands::<Slices<'_, f64>> {
                    input: &x,
                    affine: Some(&affine),
                    grad_output: &dy,
                    output: Some(&output),
                    grad_affine: Some(&grad_affine),
                    grad_weight: &mut dw,
                },
            );
            scratch.shared.fill(f64::NAN);
            let input = Prologue::Normalized { input: &x, affine: &affine, activation: RELU };
            let Scratch { lanes, shared, .. } = scratch;
            let gradient =
                Prologue::gradient(&dy, Through::of(Some(RELU), Some(&output), Some(&grad_affine)));
            convolve(&plan, input, Weights::Plain(&wt), &bias, &mut y2, lanes, shared);
            convolve(&reversed, gradient, Weights::Turned(&wt), &[], &mut dx2, lanes, shared);
            super::grad_weight(&plan, [input, gradient], false, &mut dw2, lanes, shared);
            let mut twice = dw2.clone();
            super::grad_weight(&plan, [input, gradient], true, &mut twice, lanes, shared);
            let halves: Vec<f64> = twice.iter().map(|t| t / 2.0).collect();
            // Sums of `terms` products of magnitude up to about 10, amplified at most 48 times along each axis: the
            // largest row of |At| (|G| 1 * |Bt| 1) of F(4, 3). The reference adds in order: each of its partial sums, at most as
            // large as the result, is rounded by half a unit; with random signs the error grows like the square root of their number.
            let tolerance = |terms: usize, result: f64| {
                (1e-16 * 48.0 * 48.0 * 10.0 + f64::EPSILON / 2.0 * result.abs()) * (terms as f64).sqrt()
            };
            for (what, found, expected, terms) in [
                ("output", &y2, &y, 9 * c),
                ("grad_input", &dx2, &dx, 9 * k),
                ("grad_weight", &dw2, &dw, n * h * w),
                ("twice grad_weight", &halves, &dw, n * h * w),
            ] {
                for (found, expected) in found.iter().zip(expected) {
                    let error = (found - expected).abs();
                    assert!(error <= tolerance(terms, *expected), "{conv:?} {what}: {found} not {expected}");
                }
            }
        }
    }
}
