//! The CPU executor: results do not depend on threads, steps allocate nothing, and the device's fast convolutions (f32) stay
//! close to the definitions (f64).

use vgg_wgpu::{
    cpu::{CpuExecutor, Scalar},
    model::VggConfig,
    ops::{
        Activation, Conv, ConvForward, ConvGradInput, ConvGradWeight, MaxPool, MaxPoolForward, MaxPoolGrad,
        Op,
    },
    program::{DeviceLimits, Executor, ExecutorError, Mode, Pass, Program, Role, TensorId, Training},
    rng,
    verify::{Tolerance, check},
};

use crate::support::{ADAM, Fixture, fixture, fixture_of, on_narrower_instruction_sets};

fn config() -> VggConfig {
    VggConfig { image_size: [28, 28], width: 0.25, hidden: Some(136), ..VggConfig::default() }
}

#[test]
fn narrower_instruction_sets_do_as_well() {
    on_narrower_instruction_sets("cpu::");
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let trained = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut net = fixture::<f32>(config(), 5, DeviceLimits::NONE);
            net.train(2, 1e-3);
            net.executor.run(Pass::Evaluate).unwrap();
            net.state()
        })
    };
    let alone = trained(1);
    for threads in [2, 5] {
        for (name, values) in trained(threads) {
            let bits = |v: &[f64]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&values), bits(&alone[&name]), "{name} with {threads} threads");
        }
    }
}

/// More threads than when the executor was created.
#[test]
fn another_pool_computes_the_same() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let mut net = pool(1).install(|| fixture::<f32>(config(), 5, DeviceLimits::NONE));
    pool(4).install(|| net.train(1, 1e-3));
    let mut again = fixture::<f32>(config(), 5, DeviceLimits::NONE);
    again.train(1, 1e-3);
    assert_eq!(net.state(), again.state());
}

#[test]
fn nothing_is_allocated_after_the_start() {
    let mut net = fixture::<f32>(config(), 3, DeviceLimits::NONE);
    let before = (net.executor.allocations(), net.executor.allocated_bytes());
    assert!(before.0 > 0 && before.1 > 0);
    net.train(2, 1e-3);
    net.executor.run(Pass::Evaluate).unwrap();
    assert_eq!((net.executor.allocations(), net.executor.allocated_bytes()), before);
}

/// In one piece and in slices, against gradients that are stored first.
#[test]
fn a_fused_update_equals_the_gradient_followed_by_the_step() {
    let slices = DeviceLimits { binding_bytes: 200_000, ..DeviceLimits::NONE };
    for limits in [DeviceLimits::NONE, slices] {
        let [mut apart, mut fused] = [false, true].map(|fused_update| {
            let training = Training { fused_update, ..ADAM.into() };
            fixture_of::<f64>(config(), 5, limits, Mode::Train(training))
        });
        let gradients = |net: &Fixture<f64>| {
            net.lowered.program.tensors.iter().filter(|t| t.role == Role::Gradient).count()
        };
        assert_eq!(gradients(&apart), gradients(&fused) + 3);
        apart.train(3, 1e-3);
        fused.train(3, 1e-3);
        let expected = apart.state();
        for (name, values) in fused.state() {
            let expected = &expected[&name];
            let errors = expected.iter().zip(&values).map(|(a, b)| (a - b).abs());
            let largest = errors.max_by(f64::total_cmp).unwrap();
            // The same products, summed in another order; Adam's root amplifies what is nearly 0.
            assert!(largest <= 1e-9, "{name} is off by {largest}");
        }
    }
}

#[test]
fn uploads_of_the_wrong_size_and_to_shared_memory_are_refused() {
    let mut net = fixture::<f32>(config(), 3, DeviceLimits::NONE);
    let loss = net.lowered.inputs.labels;
    let error = net.executor.upload(loss, &[0; 11]).unwrap_err();
    assert!(matches!(error, ExecutorError::Size { expected: 12, found: 11, .. }), "{error}");
    let transient = net.tensor("relu_fc1.output");
    let error = net.executor.upload(transient, &[0; 3 * 136 * 4]).unwrap_err();
    assert!(error.to_string().contains("relu_fc1.output"), "{error}");
    assert!(net.executor.write_scalars(loss, &[0.0; 3]).is_err(), "labels are not scalars");
}

#[test]
fn answers_come_in_the_order_of_the_requests() {
    let mut net = fixture::<f32>(config(), 3, DeviceLimits::NONE);
    let (metrics, labels) = (net.lowered.inputs.metrics, net.lowered.inputs.labels);
    net.executor.request(labels).unwrap();
    net.executor.request(metrics).unwrap();
    net.train(1, 1e-3);
    let labels = net.executor.collect(false).unwrap().unwrap();
    assert_eq!(bytemuck::pod_collect_to_vec::<u8, u32>(&labels), [0, 7, 4]);
    // With the values at the time of the request.
    assert_eq!(net.executor.collect(true).unwrap().unwrap(), [0; 16]);
    assert_eq!(net.executor.collect(true).unwrap(), None);
    let metrics: Vec<f32> = bytemuck::pod_collect_to_vec(&net.executor.read(metrics).unwrap());
    assert_eq!(metrics[2..], [3.0, 0.0]);
    assert!(metrics[0] > 0.0);
}

/// Runs an operation on the same inputs in `S`: the values of each tensor.
fn alone<S: Scalar>(op: &Op) -> Vec<Vec<f64>> {
    let program = Program::single(op.clone());
    let tensors: Vec<_> = program.tensors.clone();
    let mut executor = CpuExecutor::<S>::new(program);
    for (index, tensor) in tensors.iter().enumerate() {
        // So few digits that batch norm is exact, and no sign depends on rounding.
        let values = rng::normal(3, index as u32, tensor.shape.elements(), 1.0);
        let values: Vec<f32> = values.iter().map(|v| (v * 8.0).round() / 8.0).collect();
        executor.upload(TensorId(index), bytemuck::cast_slice(&values)).unwrap();
    }
    executor.run(Pass::Train).unwrap();
    let values = |index| executor.read_scalars(TensorId(index)).iter().map(|v| v.f64()).collect();
    (0..tensors.len()).map(values).collect()
}

/// Pooling that reads through a norm of each image: exact for ReLU, where both devices round alike.
#[test]
fn pooling_reads_through_the_norms_of_images() {
    let pool = MaxPool { n: 3, h: 6, w: 5, c: 19, kernel: 2, stride: [2, 1] };
    let normalized = Some(Activation::Relu { at_zero: 0.5 });
    let forward = MaxPoolForward { pool, normalized, by_image: true };
    let grad = MaxPoolGrad { pool, normalized, by_image: true, statistics: None };
    for op in [Op::from(forward), grad.into()] {
        let (found, expected) = (alone::<f32>(&op), alone::<f64>(&op));
        for ((operand, found), expected) in op.operands().iter().zip(&found).zip(&expected) {
            check(operand.name, &operand.shape, found, expected, Tolerance::EXACT).unwrap();
        }
        // The vectors of the first image alone would be another result.
        let batch = match op.clone() {
            Op::MaxPoolForward(op) => MaxPoolForward { by_image: false, ..op }.into(),
            _ => Op::from(MaxPoolGrad { by_image: false, ..grad }),
        };
        assert_ne!(alone::<f32>(&batch).last(), found.last());
    }
}

/// The device uses Winograd's algorithm, the reference the definition.
///
/// Every one of `t * t` products is a sum of `terms` values and carries the rounding of about 12 operations before and
/// `terms` within: `eps / 2 * sqrt(12 + terms)` of its size `sqrt(terms)`. In the output transform the errors, assumed
/// independent, grow along each axis by the largest row of `sqrt(sum (At[j] * |Bt| * |G|)^2)`: 2.24, 5.86 and 9.84 for
/// tiles of 2, 3 and 4, the gradients' transposed maps included. Six deviations are allowed.
#[test]
fn fast_convolutions_stay_close_to_the_reference() {
    let shapes = [
        [1, 1, 1, 16, 16],
        [3, 2, 2, 64, 48],
        [2, 3, 3, 33, 130],
        [2, 3, 2, 16, 8],
        [5, 7, 7, 40, 24],
        [1, 5, 9, 9, 11],
        [2, 14, 13, 16, 72],
        [40, 7, 7, 70, 20],
        [3, 28, 28, 16, 16],
        [2, 31, 6, 8, 3],
        [2, 28, 28, 1, 16],
        [70, 2, 2, 128, 128],
    ];
    let relu = Activation::Relu { at_zero: 0.5 };
    let others = [
        Activation::LeakyRelu { negative_slope: 0.2 },
        Activation::Gelu,
        Activation::Silu,
        Activation::Celu { alpha: 0.5 },
    ];
    let cases = shapes.into_iter().zip(others.into_iter().cycle());
    for ([n, h, w, c, k], activation) in cases.flat_map(|(shape, other)| [(shape, relu), (shape, other)]) {
        let conv = Conv { n, h, w, c, k };
        let growth = match h.max(w) {
            1 | 2 => 2.24,
            3 => 5.86,
            _ => 9.84f64,
        };
        let [normalized, through] = [Some(activation); 2];
        let forward = ConvForward { conv, normalized, by_image: false, statistics: true };
        let grad_weight = ConvGradWeight { conv, normalized, by_image: false, through, accumulate: true };
        for (op, terms) in [
            (Op::from(ConvForward::plain(conv)), c),
            (forward.into(), c),
            (ConvGradInput::plain(conv).into(), k),
            (ConvGradInput { conv, through, statistics: None }.into(), k),
            (ConvGradWeight::plain(conv).into(), n * h * w),
            (grad_weight.into(), n * h * w),
            (ConvForward { by_image: true, statistics: false, ..forward }.into(), c),
            (ConvGradWeight { by_image: true, ..grad_weight }.into(), n * h * w),
        ] {
            let (found, expected) = (alone::<f32>(&op), alone::<f64>(&op));
            let terms = terms as f64;
            // Batch norm makes the values of each factor up to 4 times as large.
            let steep = if op.operands().iter().any(|o| o.name.ends_with("affine")) { 16.0 } else { 1.0 };
            let rounding = f64::from(f32::EPSILON) / 2.0 * ((12.0 + terms) * terms).sqrt();
            let sum = 6.0 * growth * growth * steep * rounding;
            for ((operand, found), expected) in op.operands().iter().zip(&found).zip(&expected) {
                let allowed = match operand.name {
                    // The squares' errors: twice the value's, times a value of up to 6 deviations.
                    "batch_var" => 2.0 * sum * 6.0 * 3.0 * steep.sqrt() * terms.sqrt(),
                    _ => sum,
                };
                let result =
                    check(operand.name, &operand.shape, found, expected, Tolerance::absolute(allowed));
                if let Err(error) = result {
                    panic!("{} of {conv:?}: {error}", op.name());
                }
            }
        }
    }
}
