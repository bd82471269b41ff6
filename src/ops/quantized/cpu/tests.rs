//! Every path that this machine has, against the definitions.

use rayon::{ThreadPool, ThreadPoolBuilder};

#[cfg(target_arch = "x86_64")]
use super::winograd;
use super::{
    super::{
        QuantizeImages, QuantizeImagesOperands, QuantizedConv, QuantizedLinear, QuantizedMaxPool,
        QuantizedMaxPoolOperands, Requantize, padded, padded_outputs, weight_at,
    },
    Choice, Compute, Layer, Results, conv,
    dot::{Dot, Portable},
    linear, pixels, products, reference,
};
use crate::{
    cpu::Lanes,
    ops::{Conv, MaxPool, QuantizedConvOperands, QuantizedLinearOperands, Slices},
    rng,
};

/// In scratch memory and in outputs, to show what is never written.
const GARBAGE: u8 = 0xa5;

const REQUANTIZE: [Requantize; 3] =
    [Requantize { zero: 0, low: 0 }, Requantize { zero: 37, low: 0 }, Requantize { zero: 128, low: 128 }];

/// Runs `$test(name, path)` with each path of the machine.
macro_rules! each_path {
    ($test:ident) => {{
        #[cfg(target_arch = "x86_64")]
        {
            use super::x86::{Avx2, Avx512, AvxVnni, Vnni256};
            let _ = Avx512::detect().map(|dot| $test("AVX-512 VNNI", dot));
            let _ = Vnni256::detect().map(|dot| $test("AVX-512 VNNI with 256 bits", dot));
            let _ = AvxVnni::detect().map(|dot| $test("AVX-VNNI", dot));
            let _ = Avx2::detect().map(|dot| $test("AVX2", dot));
        }
        $test("portable", Portable);
    }};
}

/// The weights, their sums, biases and scales of a layer.
struct Parameters {
    weight: Vec<u8>,
    weight_sum: Vec<u32>,
    bias: Vec<u32>,
    scale: Vec<f32>,
}

/// The input and the weights of a test.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pattern {
    /// Without a pattern, some at their limits.
    Random,
    /// All bytes 255, the weights of an output 127 or -127.
    Limits,
    /// Bytes 0 and 255 in turn, weights -128 and 127, so that all products are of one sign.
    Turns,
    /// Runs of bytes of this length, two of 0 and two of 255 in turn, and all weights -128: if a run is a pixel or a row, values inside
    /// Winograd's algorithm reach their bounds.
    Runs(usize),
}

/// Input bytes and parameters.
fn values(pattern: Pattern, bytes: usize, inputs: usize, outputs: usize) -> (Vec<u8>, Parameters) {
    let outputs = padded_outputs(outputs);
    let uniform = |index, len| rng::normal(5, index, len, 1.0).into_iter();
    let input = uniform(1, bytes).enumerate().map(|(at, v)| match pattern {
        Pattern::Limits => 255,
        Pattern::Turns => [0, 255][at % 2],
        Pattern::Runs(length) => [0, 0, 255, 255][at / length % 4],
        Pattern::Random if v.abs() > 1.5 => [0, 255][usize::from(v > 0.0)],
        Pattern::Random => (v * 85.0 + 128.0) as u8,
    });
    let mut weight = vec![0; inputs * outputs];
    let mut weight_sum = vec![0; outputs];
    for (at, v) in uniform(2, inputs * outputs).enumerate() {
        let (output, input) = (at / inputs, at % inputs);
        let value = match pattern {
            Pattern::Random => ((v * 60.0) as i8).max(-127),
            Pattern::Limits => [127, -127][output % 2],
            Pattern::Turns => [-128, 127][input % 2],
            Pattern::Runs(_) => -128,
        };
        weight[weight_at(inputs, output, input)] = value as u8;
        weight_sum[output] = i32::from(value).wrapping_add(weight_sum[output] as i32) as u32;
    }
    let random = pattern == Pattern::Random;
    let deviation = if random { 9000.0 * (inputs as f32).sqrt() } else { 127.0 * 255.0 * inputs as f32 };
    let bias = uniform(3, outputs).map(|v| (v * deviation / 4.0) as i32 as u32).collect();
    // Powers of two have halves to round.
    let scale = |at| if at % 3 == 0 { (150.0 / deviation).log2().floor().exp2() } else { 120.0 / deviation };
    (input.collect(), Parameters { weight, weight_sum, bias, scale: (0..outputs).map(scale).collect() })
}

fn computed<D: Dot>(dot: D, pool: &ThreadPool, (layer, results): (Layer<f32>, Results<f32>)) {
    let source = layer.source;
    let words = products::words::<D>([source.pixels(), source.c, source.taps]);
    // Fewer than the pool has: threads take turns.
    let lanes = Lanes::new(u64::from_ne_bytes([GARBAGE; 8]), words, pool.current_num_threads().min(3));
    pool.install(|| Compute(&layer, results, &lanes).with(dot));
}

fn pools() -> [ThreadPool; 3] {
    [1, 2, 5].map(|threads| ThreadPoolBuilder::new().num_threads(threads).build().unwrap())
}

/// Most bytes are no limits, so that a wrong sum is a wrong byte.
fn varied(bytes: &[u8]) {
    let inside = bytes.iter().filter(|byte| (1..255).contains(*byte)).count();
    assert!(inside * 3 >= bytes.len(), "{inside} of {} bytes can be wrong", bytes.len());
}

/// Computes convolutions `[n, h, w, c, k]` with each pattern as defined and by `run`.
fn convolutions(path: &str, shapes: &[[usize; 5]], run: impl Fn(&ThreadPool, (Layer<f32>, Results<f32>))) {
    for (at, &[n, h, w, c, k]) in shapes.iter().enumerate() {
        let patterns = [Pattern::Random, Pattern::Limits, Pattern::Turns]
            .into_iter()
            .chain([1, c, w * c].map(Pattern::Runs))
            .enumerate();
        for (turn, pattern) in patterns {
            let op = QuantizedConv {
                conv: Conv { n, h, w, c, k },
                zero: [0, 37, 255, 128, 0, 37, 255, 128][at % 3 + turn],
                requantize: REQUANTIZE[at % 3],
            };
            let (input, Parameters { weight, weight_sum, bias, scale }) =
                values(pattern, n * h * w * c, 9 * c, k);
            let result = |run: &dyn Fn(QuantizedConvOperands<Slices<'_, f32>>)| {
                let mut output = vec![GARBAGE; n * h * w * k];
                run(QuantizedConvOperands {
                    input: &input,
                    weight: &weight,
                    weight_sum: &weight_sum,
                    bias: &bias,
                    scale: &scale,
                    output: &mut output,
                });
                output
            };
            let expected = result(&|operands| reference::conv(&op, operands));
            for pool in pools() {
                let found = result(&|operands| run(&pool, conv(&op, operands)));
                let threads = pool.current_num_threads();
                assert!(found == expected, "{path}: {op:?}, {pattern:?}, with {threads} threads");
            }
            if pattern == Pattern::Random && op.requantize.low == 0 && expected.len() > 100 {
                varied(&expected);
            }
        }
    }
}

fn direct<D: Dot>(path: &str, dot: D) {
    let shapes = [
        [1, 1, 1, 4, 4],
        [1, 5, 1, 4, 20],
        [5, 3, 2, 12, 36],
        [2, 3, 7, 12, 4],
        [1, 14, 14, 20, 36],
        [2, 9, 28, 16, 40],
        [1, 31, 29, 36, 64],
        [1, 2, 84, 4, 20],
        [5, 3, 3, 64, 132],
        [3, 1, 42, 68, 16],
    ];
    convolutions(path, &shapes, |pool, work| computed(dot, pool, work));
}

#[test]
fn convolutions_are_exact_on_every_path() {
    each_path!(direct);
}

/// Images smaller than a tile and of parts of tiles; one, two and more slabs; outputs that do not fill a group.
#[cfg(target_arch = "x86_64")]
#[test]
fn winograd_is_exact() {
    use super::x86::{Avx2, Avx512};
    let [madd, vnni] =
        [Avx2::detect().map(winograd::Products::Madd), Avx512::detect().map(winograd::Products::Vnni)];
    let shapes = [
        [1, 1, 1, 16, 4],
        [1, 2, 3, 16, 20],
        [7, 3, 2, 32, 36],
        [2, 5, 4, 48, 16],
        [1, 4, 9, 112, 128],
        [3, 7, 7, 128, 100],
        [1, 9, 21, 144, 20],
        [1, 13, 6, 272, 16],
        [2, 4, 4, 512, 132],
        [2, 29, 31, 16, 72],
    ];
    for (name, products) in [("Winograd", madd), ("Winograd with VNNI", vnni)] {
        let Some(products) = products else { continue };
        convolutions(name, &shapes, |pool, (layer, results)| {
            let words = winograd::words(&layer.conv());
            let lanes =
                Lanes::new(u64::from_ne_bytes([GARBAGE; 8]), words, pool.current_num_threads().min(3));
            pool.install(|| winograd::compute(products, &layer, results, &lanes));
        });
    }
}

fn layers<D: Dot>(path: &str, dot: D) {
    let shapes = [
        [1, 4, 4],
        [5, 8, 12],
        [1, 132, 37],
        [17, 64, 100],
        [16, 516, 48],
        [115, 12, 20],
        // Several slabs, the last ones of every length modulo 4.
        [1, 4612, 33],
        [33, 9220, 20],
        [115, 4616, 4],
    ];
    for (at, [n, inputs, outputs]) in shapes.into_iter().enumerate() {
        for (pool, pattern) in
            pools().iter().flat_map(|pool| [(pool, Pattern::Random), (pool, Pattern::Limits)])
        {
            let (input, Parameters { weight, weight_sum, bias, scale }) =
                values(pattern, n * inputs, inputs, outputs);
            let zero = [0, 37, 255][(at + usize::from(pattern == Pattern::Limits)) % 3];
            for requantize in [Some(REQUANTIZE[at % 3]), None] {
                let op = QuantizedLinear { n, inputs, outputs, zero, requantize };
                let results = |run: &dyn Fn(QuantizedLinearOperands<Slices<'_, f32>>)| {
                    let (mut bytes, mut logits) = (vec![GARBAGE; n * outputs], vec![f32::NAN; n * outputs]);
                    run(QuantizedLinearOperands {
                        input: &input,
                        weight: &weight,
                        weight_sum: &weight_sum,
                        bias: &bias,
                        scale: &scale,
                        output: requantize.map(|_| bytes.as_mut_slice()),
                        logits: requantize.is_none().then_some(logits.as_mut_slice()),
                    });
                    (bytes, logits)
                };
                let (bytes, logits) = results(&|operands| computed(dot, pool, linear(&op, operands)));
                let expected = results(&|operands| reference::linear(&op, operands));
                assert_eq!(bytes, expected.0, "{path}: {op:?} with {} threads", pool.current_num_threads());
                let bits = |logits: Vec<f32>| logits.into_iter().map(f32::to_bits).collect::<Vec<_>>();
                assert_eq!(bits(logits), bits(expected.1), "{path}: {op:?}");
                if pattern == Pattern::Random && requantize.is_some_and(|r| r.low == 0) && bytes.len() > 100 {
                    varied(&bytes);
                }
            }
        }
    }
}

#[test]
fn linear_layers_are_exact_on_every_path() {
    each_path!(layers);
}

/// Bytes without a pattern.
fn bytes(index: u32, len: usize) -> Vec<u8> {
    rng::normal(6, index, len, 1.0).into_iter().map(|v| (v * 1e4) as i32 as u8).collect()
}

#[test]
fn images_are_those_of_the_definition() {
    let shapes = [
        (3, [28, 28], [28, 28], 1),
        (2, [3, 5], [3, 5], 3),
        (2, [28, 28], [61, 47], 1),
        (1, [5, 9], [24, 24], 3),
        (2, [33, 32], [17, 24], 3),
        (1, [1, 1], [3, 2], 1),
        (2, [7, 6], [5, 4], 5),
    ];
    for (n, source, output, channels) in shapes {
        let op = QuantizeImages { n, source, output, channels };
        let (images, table) = (bytes(1, n * source[0] * source[1] * channels), bytes(2, 256 * channels));
        let operands =
            |output| QuantizeImagesOperands::<Slices<'_, f32>> { images: &images, table: &table, output };
        let [mut found, mut expected] =
            [0; 2].map(|_| vec![GARBAGE; n * output[0] * output[1] * padded(channels)]);
        pixels::images(&op, operands(&mut found), &Lanes::new(0, output[1], 2));
        reference::images(&op, operands(&mut expected));
        assert_eq!(found, expected, "{op:?}");
    }
}

#[test]
fn maxima_are_those_of_the_definition() {
    let pool = |n, h, w, c, kernel, stride| MaxPool { n, h, w, c, kernel, stride };
    for pool in [
        pool(2, 28, 28, 16, 2, [2, 2]),
        pool(3, 7, 7, 12, 2, [2, 2]),
        pool(2, 3, 3, 8, 2, [1, 1]),
        pool(1, 2, 5, 4, 2, [1, 2]),
        pool(2, 9, 6, 20, 3, [2, 1]),
        pool(1, 8, 8, 4, 2, [3, 3]),
        pool(2, 14, 15, 68, 2, [2, 2]),
    ] {
        let ([p, q], input) = (pool.output_size(), bytes(3, pool.n * pool.h * pool.w * pool.c));
        let operands = |output| QuantizedMaxPoolOperands::<Slices<'_, f32>> { input: &input, output };
        let [mut found, mut expected] = [0; 2].map(|_| vec![GARBAGE; pool.n * p * q * pool.c]);
        pixels::max_pool(&pool, operands(&mut found));
        reference::max_pool(&QuantizedMaxPool(pool), operands(&mut expected));
        assert_eq!(found, expected, "{pool:?}");
    }
}
