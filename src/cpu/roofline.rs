//! Measures the processor's peak arithmetic rate and memory bandwidth.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::matmul::{Matrix, Store, matmul};
use crate::program::Roofline;

/// Side of the matrices of one product, which stay in a core's cache.
const SIDE: usize = 384;

/// Source and destination together exceed the caches of most processors.
const COPIED: usize = 64 << 20;

/// Each measurement repeats its work for this long.
const LONG_ENOUGH: Duration = Duration::from_millis(40);

/// The best of this many measurements counts: others may be using the machine.
const TRIALS: usize = 5;

/// Measures the processor: matrix products by the crate that the executor uses, one on each thread, and a copy by all
/// threads. Takes about half a second.
pub fn roofline() -> Roofline {
    let threads = rayon::current_num_threads();
    let operand = vec![0.5_f32; SIDE * SIDE];
    let mut products = vec![vec![0.0_f32; SIDE * SIDE]; threads];
    let flops = (2 * SIDE * SIDE * SIDE * threads) as f64;
    let matrix = Matrix::rows(&operand, SIDE, SIDE, SIDE);
    let flops_per_second = rate(flops, || {
        products.par_iter_mut().for_each(|product| matmul(product, Store::Replace, matrix, matrix));
    });
    let from = vec![1_u8; COPIED];
    let mut to = vec![0_u8; COPIED];
    let bytes_per_second = rate((2 * COPIED) as f64, || {
        let part = COPIED.div_ceil(threads);
        to.par_chunks_mut(part).zip(from.par_chunks(part)).for_each(|(to, from)| to.copy_from_slice(from));
        std::hint::black_box(&to);
    });
    Roofline { flops_per_second, bytes_per_second }
}

/// The work per second of the best trial.
fn rate(work: f64, mut run: impl FnMut()) -> f64 {
    run();
    let mut best = 0.0_f64;
    for _ in 0..TRIALS {
        let (begin, mut count) = (Instant::now(), 0.0);
        while begin.elapsed() < LONG_ENOUGH {
            run();
            count += 1.0;
        }
        best = best.max(count * work / begin.elapsed().as_secs_f64());
    }
    best
}
