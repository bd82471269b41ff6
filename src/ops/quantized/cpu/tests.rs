//! Every path that this machine has, against the definitions.

use rayon::{ThreadPool, ThreadPoolBuilder};

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

/// Input bytes and parameters; at their limits if `extreme`, else random with some limits among them.
fn values(extreme: bool, bytes: usize, inputs: usize, outputs: usize) -> (Vec<u8>, Parameters) {
    let outputs = padded_outputs(outputs);
    let uniform = |index, len| rng::normal(5, index, len, 1.0).into_iter();
    let input = uniform(1, bytes).map(|v| match v {
        _ if extreme => 255,
        _ if v.abs() > 1.5 => [0, 255][usize::from(v > 0.0)],
        _ => (v * 85.0 + 128.0) as u8,
    });
    let mut weight = vec![0; inputs * outputs];
    let mut weight_sum = vec![0; outputs];
    for (at, v) in uniform(2, inputs * outputs).enumerate() {
        let (output, input) = (at / inputs, at % inputs);
        let value = if extreme { [127, -127][output % 2] } else { ((v * 60.0) as i8).max(-127) };
        weight[weight_at(inputs, output, input)] = value as u8;
        weight_sum[output] = i32::from(value).wrapping_add(weight_sum[output] as i32) as u32;
    }
    let deviation = if extreme { 127.0 * 255.0 * inputs as f32 } else { 9000.0 * (inputs as f32).sqrt() };
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

fn convolutions<D: Dot>(path: &str, dot: D) {
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
    for (at, [n, h, w, c, k]) in shapes.into_iter().enumerate() {
        for (pool, extreme) in pools().iter().flat_map(|pool| [(pool, false), (pool, true)]) {
            let conv_of = Conv { n, h, w, c, k };
            let op = QuantizedConv {
                conv: conv_of,
                zero: [0, 37, 255][(at + usize::from(extreme)) % 3],
                requantize: REQUANTIZE[at % 3],
            };
            let (input, Parameters { weight, weight_sum, bias, scale }) =
                values(extreme, n * h * w * c, 9 * c, k);
            let operands = |output| QuantizedConvOperands::<Slices<'_, f32>> {
                input: &input,
                weight: &weight,
                weight_sum: &weight_sum,
                bias: &bias,
                scale: &scale,
                output,
            };
            let [mut found, mut expected] = [0; 2].map(|_| vec![GARBAGE; n * h * w * k]);
            computed(dot, pool, conv(&op, operands(&mut found)));
            reference::conv(&op, operands(&mut expected));
            assert_eq!(found, expected, "{path}: {op:?} with {} threads", pool.current_num_threads());
            if !extreme && op.requantize.low == 0 && expected.len() > 100 {
                varied(&expected);
            }
        }
    }
}

#[test]
fn convolutions_are_exact_on_every_path() {
    each_path!(convolutions);
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
        for (pool, extreme) in pools().iter().flat_map(|pool| [(pool, false), (pool, true)]) {
            let (input, Parameters { weight, weight_sum, bias, scale }) =
                values(extreme, n * inputs, inputs, outputs);
            let zero = [0, 37, 255][(at + usize::from(extreme)) % 3];
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
                if !extreme && requantize.is_some_and(|r| r.low == 0) && bytes.len() > 100 {
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
