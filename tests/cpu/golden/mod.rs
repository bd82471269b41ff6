//! The CPU executor against PyTorch: `assets/golden/make.py` wrote the inputs and the expected results, in float64.
//!
//! Every case runs in f64, where it must agree to a few rounding errors of f64, and in f32 with the tolerance
//! that the type and the length of the sums allow.

mod mixing;
mod rand_augment;
mod standard;

use vgg_wgpu::{
    cpu::{CpuExecutor, Scalar},
    ops::{
        Activate, ActivateGrad, Activation, Adam, AvgPool, AvgPoolGrad, BatchNormAffine, BatchNormGradAffine,
        BatchNormGradInput, BatchNormGradStatistics, BatchNormNormalize, BatchNormRunning,
        BatchNormStatistics, Control, Conv, ConvForward, ConvGradInput, ConvGradWeight, CrossEntropy,
        CrossEntropyGrad, Dropout, FakeQuantize, FakeQuantizeGrad, FakeQuantizeWeight, GradBias, GroupNorm,
        GroupNormAffine, GroupNormGrad, Linear, LinearGradInput, LinearGradWeight, MaxPool, MaxPoolForward,
        MaxPoolGrad, Metrics, PrepareImages,
    },
    program::{Executor, Pass, Precision},
};

use crate::support::{
    ADAM, Fixture, Golden, Tolerance, both, compare, control, epsilon, golden_network, largest,
    on_narrower_instruction_sets, read, run_op,
};

both!(conv batch_norm group_norm relu activations fake_quantize max_pool avg_pool linear cross_entropy adam prepare);

#[test]
fn narrower_instruction_sets_do_as_well() {
    on_narrower_instruction_sets("golden::");
}

fn conv<S: Scalar>() {
    let golden = Golden::load("conv");
    for case in golden.cases() {
        let [n, h, w, c] = golden.dims(&case, "input");
        let [.., k] = golden.dims::<4>(&case, "weight");
        let conv = Conv { n, h, w, c, k };
        let get = |name| (name, golden.get(&case, name));
        // Standard normal values: magnitudes up to 4 or so in both factors.
        let sum = |terms| Tolerance::sum(epsilon::<S>(), terms, 2.0);
        let out = run_op::<S>(
            ConvForward::plain(conv),
            Control::default(),
            &[get("input"), get("weight"), get("bias")],
        );
        golden.compare(&case, "output", &out["output"], sum(9 * c + 1));
        let out =
            run_op::<S>(ConvGradInput::plain(conv), Control::default(), &[get("grad_output"), get("weight")]);
        golden.compare(&case, "grad_input", &out["grad_input"], sum(9 * k));
        let op = ConvGradWeight::plain(conv);
        let out = run_op::<S>(op, Control::default(), &[get("input"), get("grad_output")]);
        golden.compare(&case, "grad_weight", &out["grad_weight"], sum(conv.pixels()));
        let op = GradBias { rows: conv.pixels(), channels: k, accumulate: false };
        let out = run_op::<S>(op, Control::default(), &[get("grad_output")]);
        golden.compare(&case, "grad_bias", &out["grad_bias"], sum(conv.pixels()));
    }
}

fn batch_norm<S: Scalar>() {
    let golden = Golden::load("batch_norm");
    let eps = 1e-5;
    for case in golden.cases() {
        let [n, h, w, channels] = golden.dims(&case, "input");
        let rows = n * h * w;
        let get = |name| (name, golden.get(&case, name));
        let run =
            |op: vgg_wgpu::ops::Op, given: &[(&str, &[f64])]| run_op::<S>(op, Control::default(), given);
        // Inputs are exact in f32, so only the mean (rounded once), the factors and the last operations round. A mean
        // of 1000 rounded to f32 is off by 3e-5 standard deviations; without variance those are sqrt(eps) = 1 / 316.
        let steep = if matches!(case.as_str(), "equal" | "one_row") { 316.0 } else { 1.0 };
        let scale = 1.0 + largest(golden.get(&case, "mean")) * steep;
        let tolerance =
            Tolerance { absolute: 30.0 * epsilon::<S>() * scale, relative: 30.0 * epsilon::<S>() };

        let op = BatchNormStatistics { rows, channels, rows_before: 0 };
        let out = run(op.into(), &[get("input")]);
        golden.compare(&case, "mean", &out["batch_mean"], Tolerance::relative(2.0 * epsilon::<S>()));
        golden.compare(
            &case,
            "variance",
            &out["batch_var"],
            Tolerance { absolute: 1e-18, relative: 1e-12 + 2.0 * epsilon::<S>() },
        );

        for (kind, unbiased) in [("biased", false), ("unbiased", true)] {
            if unbiased && case == "one_row" {
                continue;
            }
            let op = BatchNormRunning { rows, channels, momentum: 0.1, unbiased };
            let given = [
                ("batch_mean", get("mean").1),
                ("batch_var", get("variance").1),
                get("running_mean"),
                get("running_var"),
            ];
            let out = run(op.into(), &given);
            let rounding =
                Tolerance { absolute: 4.0 * epsilon::<S>(), relative: 1e-12_f64.max(4.0 * epsilon::<S>()) };
            golden.compare(&case, &format!("{kind}_mean"), &out["running_mean"], rounding);
            golden.compare(&case, &format!("{kind}_var"), &out["running_var"], rounding);
        }

        let affine = |mean, variance| {
            let given = [("mean", get(mean).1), ("variance", get(variance).1), get("gamma"), get("beta")];
            run(BatchNormAffine { channels, eps }.into(), &given).remove("affine").unwrap()
        };
        let of_batch = affine("mean", "variance");
        let of_batch = ("affine", of_batch.as_slice());
        let op = BatchNormNormalize { rows, channels, activation: None, images: None };
        let out = run(op.into(), &[get("input"), of_batch]);
        golden.compare(&case, "output", &out["output"], tolerance);
        let out = run(op.into(), &[get("input"), ("affine", &affine("running_mean", "running_var"))]);
        golden.compare(&case, "evaluated", &out["output"], tolerance);

        let op = BatchNormGradStatistics { rows, channels, activation: None, accumulate: false };
        let out = run(op.into(), &[get("input"), of_batch, get("grad_output")]);
        let sums = Tolerance { absolute: tolerance.absolute * rows as f64, ..tolerance };
        golden.compare(&case, "grad_gamma", &out["grad_gamma"], sums);
        golden.compare(&case, "grad_beta", &out["grad_beta"], sums);
        let op = BatchNormGradAffine { channels, total_rows: rows, bias: true };
        let out = run(op.into(), &[of_batch, get("grad_gamma"), get("grad_beta")]);
        compare("grad_bias", &[channels].into(), &out["grad_bias"], &vec![0.0; channels], Tolerance::EXACT);
        let op = BatchNormGradInput { rows, channels, activation: None };
        let through = ("grad_affine", out["grad_affine"].as_slice());
        let out = run(op.into(), &[get("input"), through, get("grad_output")]);
        // Its scale is gamma / sqrt(var + eps).
        let tolerance = Tolerance { absolute: tolerance.absolute * steep, ..tolerance };
        golden.compare(&case, "grad_input", &out["grad_input"], tolerance);
    }
}

/// Exact: the scales are powers of two, and the values have few digits.
fn fake_quantize<S: Scalar>() {
    let golden = Golden::load("fake_quantize");
    let get = |case: &str, name: &'static str| (name, golden.get(case, name).to_vec());
    let run = |op: vgg_wgpu::ops::Op, given: &[(&'static str, Vec<f64>)]| {
        let given: Vec<(&str, &[f64])> = given.iter().map(|(name, values)| (*name, &values[..])).collect();
        run_op::<S>(op, Control::default(), &given)
    };
    let len = golden.get("activation", "input").len();
    let given = ["range", "input"].map(|name| get("activation", name));
    let out = run(FakeQuantize { len }.into(), &given);
    golden.compare("activation", "output", &out["output"], Tolerance::EXACT);
    let given = ["range", "input", "grad_output"].map(|name| get("activation", name));
    let out = run(FakeQuantizeGrad { len }.into(), &given);
    golden.compare("activation", "grad_input", &out["grad_input"], Tolerance::EXACT);
    for (case, columns) in [("rows", false), ("columns", true)] {
        let op = FakeQuantizeWeight { outputs: 3, inputs: 40, columns };
        let out = run(op.into(), &[get(case, "weight")]);
        golden.compare(case, "output", &out["output"], Tolerance::EXACT);
    }
    // A new range is the largest value; an old one moves towards it.
    for (range, momentum, expected) in [(0.0, 0.25, 8.0), (4.0, 0.25, 5.0), (4.0, 0.0, 4.0)] {
        let control = Control { range_momentum: momentum, ..Control::default() };
        let given: [(&str, &[f64]); 2] = [("input", &[-9.0, 3.0, 8.0]), ("range", &[range])];
        let out = run_op::<S>(vgg_wgpu::ops::ObserveRange { len: 3 }, control, &given);
        assert_eq!(out["range"], [expected]);
    }
}

/// Groups of channels, one group, and the channels of each pixel.
fn group_norm<S: Scalar>() {
    let golden = Golden::load("group_norm");
    for case in golden.cases() {
        let [n, h, w, channels] = golden.dims(&case, "input");
        let get = |name| (name, golden.get(&case, name));
        let norm = match get("groups").1[0] as usize {
            0 => GroupNorm { images: n * h * w, pixels: 1, channels, groups: 1, eps: 1e-6, activation: None },
            groups => GroupNorm { images: n, pixels: h * w, channels, groups, eps: 1e-5, activation: None },
        };
        // Values are at most 10 or so, inverse standard deviations at most 5; sums have the values of a set.
        let terms = (h * w * channels) as f64;
        let tolerance =
            Tolerance { absolute: 50.0 * terms * epsilon::<S>(), relative: 50.0 * epsilon::<S>() };
        let out = run_op::<S>(norm, Control::default(), &[get("input"), get("gamma"), get("beta")]);
        golden.compare(&case, "output", &out["output"], tolerance);
        golden.compare(&case, "moments", &out["moments"], tolerance);
        // The same in two steps, as the lowering has it for norms of images.
        let given = [get("input"), get("gamma"), get("beta")];
        let out = run_op::<S>(GroupNormAffine(norm), Control::default(), &given);
        golden.compare(&case, "moments", &out["moments"], tolerance);
        let (rows, images) = (n * h * w, Some(norm.images));
        let op = BatchNormNormalize { rows, channels, activation: None, images };
        let out = run_op::<S>(op, Control::default(), &[get("input"), ("affine", out["affine"].as_slice())]);
        golden.compare(&case, "output", &out["output"], tolerance);
        let op = GroupNormGrad { norm, parameters: true, accumulate: false };
        let given = ["input", "gamma", "beta", "moments", "grad_output"].map(get);
        let out = run_op::<S>(op, Control::default(), &given);
        for name in ["grad_input", "grad_gamma", "grad_beta"] {
            golden.compare(&case, name, &out[name], tolerance);
        }
    }
}

fn relu<S: Scalar>() {
    let golden = Golden::load("relu");
    for (case, at_zero) in [("pytorch", 0.0), ("paper", 0.5)] {
        // In f32 the smallest inputs are 0, which is a different case; they are left out.
        let kept = |values: &[f64]| -> Vec<f64> {
            let exact = |index: usize| {
                S::of(golden.get(case, "input")[index]).f64() == golden.get(case, "input")[index]
            };
            values.iter().enumerate().filter(|(i, _)| exact(*i)).map(|(_, &v)| v).collect()
        };
        let [input, output, grad_output, grad_input] =
            ["input", "output", "grad_output", "grad_input"].map(|name| kept(golden.get(case, name)));
        let len = input.len();
        let shape = [len].into();
        let activation = Activation::Relu { at_zero };
        let out = run_op::<S>(Activate { len, activation }, Control::default(), &[("input", &input)]);
        compare(case, &shape, &out["output"], &output, Tolerance::EXACT);
        let given: [(&str, &[f64]); 2] = [("input", &input), ("grad_output", &grad_output)];
        let out = run_op::<S>(ActivateGrad { len, activation }, Control::default(), &given);
        compare(case, &shape, &out["grad_input"], &grad_input, Tolerance::EXACT);
    }
}

/// Values and gradients at numbers of both signs, small and large, in f32 within a few roundings.
fn activations<S: Scalar>() {
    let golden = Golden::load("activations");
    for activation in Activation::EACH.into_iter().skip(1) {
        let case = activation.word();
        let get = |name: &'static str| (name, golden.get(case, name));
        let len = golden.get(case, "input").len();
        // Gradients are products of a slope and a value of up to 4.
        let rounding = |size: f64| {
            let eps = epsilon::<S>();
            Tolerance { absolute: (4.0 * eps * size).max(1e-15), relative: 4.0 * eps }
        };
        let out = run_op::<S>(Activate { len, activation }, Control::default(), &[get("input")]);
        golden.compare(case, "output", &out["output"], rounding(1.0));
        let given = [get("input"), get("grad_output")];
        let out = run_op::<S>(ActivateGrad { len, activation }, Control::default(), &given);
        golden.compare(case, "grad_input", &out["grad_input"], rounding(4.0));
    }
}

fn max_pool<S: Scalar>() {
    let golden = Golden::load("max_pool");
    for case in golden.cases() {
        let [n, h, w, c] = golden.dims(&case, "input");
        let stride = [0, 1].map(|axis| golden.get(&case, "stride")[axis] as usize);
        let pool = MaxPool { n, h, w, c, kernel: 2, stride };
        let get = |name| (name, golden.get(&case, name));
        let op = MaxPoolForward { pool, normalized: None, by_image: false };
        let out = run_op::<S>(op, Control::default(), &[get("input")]);
        golden.compare(&case, "output", &out["output"], Tolerance::EXACT);
        let op = MaxPoolGrad { pool, normalized: None, by_image: false, statistics: None };
        let out = run_op::<S>(op, Control::default(), &[get("input"), get("grad_output")]);
        // At most four windows cover a pixel.
        golden.compare(&case, "grad_input", &out["grad_input"], Tolerance::sum(epsilon::<S>(), 4, 4.0));
    }
}

fn avg_pool<S: Scalar>() {
    let golden = Golden::load("avg_pool");
    for case in golden.cases() {
        let [n, h, w, c] = golden.dims(&case, "input");
        let [_, p, q, _] = golden.dims::<4>(&case, "output");
        let pool = AvgPool { n, h, w, c, output: [p, q] };
        let get = |name| (name, golden.get(&case, name));
        let out = run_op::<S>(pool, Control::default(), &[get("input")]);
        golden.compare(&case, "output", &out["output"], Tolerance::sum(epsilon::<S>(), h * w, 1.0));
        let out = run_op::<S>(AvgPoolGrad(pool), Control::default(), &[get("grad_output")]);
        golden.compare(&case, "grad_input", &out["grad_input"], Tolerance::sum(epsilon::<S>(), p * q, 4.0));
    }
}

fn linear<S: Scalar>() {
    let golden = Golden::load("linear");
    for case in golden.cases() {
        let [n, inputs] = golden.dims(&case, "input");
        let [outputs, _] = golden.dims(&case, "weight");
        let op = Linear::whole(n, inputs, outputs);
        let get = |name| (name, golden.get(&case, name));
        let sum = |terms| Tolerance::sum(epsilon::<S>(), terms, 2.0);
        let out = run_op::<S>(op, Control::default(), &[get("input"), get("weight"), get("bias")]);
        golden.compare(&case, "output", &out["output"], sum(inputs + 1));
        let out = run_op::<S>(LinearGradInput(op), Control::default(), &[get("grad_output"), get("weight")]);
        golden.compare(&case, "grad_input", &out["grad_input"], sum(outputs));
        let out = run_op::<S>(LinearGradWeight(op), Control::default(), &[get("grad_output"), get("input")]);
        golden.compare(&case, "grad_weight", &out["grad_weight"], sum(n));
        let op = GradBias { rows: n, channels: outputs, accumulate: false };
        let out = run_op::<S>(op, Control::default(), &[get("grad_output")]);
        golden.compare(&case, "grad_bias", &out["grad_bias"], sum(n));
    }
}

fn cross_entropy<S: Scalar>() {
    let golden = Golden::load("cross_entropy");
    for case in golden.cases() {
        let [n, classes] = golden.dims(&case, "logits");
        let valid = golden.get(&case, "metrics")[2] as usize;
        let get = |name| (name, golden.get(&case, name));
        let control = control(&ADAM, 1, 0, valid, 0.0);
        // The logits are exact; a loss of 1000 is rounded once more than in f64.
        let tolerance = Tolerance { absolute: 4.0 * f64::EPSILON, relative: 1e-13 + 2.0 * epsilon::<S>() };
        let out = run_op::<S>(
            CrossEntropy { n, classes, label_smoothing: 0.0, mixed: false, logit_scale: 1.0 },
            control,
            &[get("logits"), get("labels")],
        );
        golden.compare(&case, "loss", &out["loss"], tolerance);
        // Probabilities below the range of f32 are 0.
        let small = Tolerance { absolute: if size_of::<S>() == 4 { 1e-44 } else { 0.0 }, ..tolerance };
        golden.compare(&case, "probs", &out["probs"], Tolerance { absolute: small.absolute, ..tolerance });
        let op = CrossEntropyGrad { n, classes, label_smoothing: 0.0, mixed: false, logit_scale: 1.0 };
        let out = run_op::<S>(op, control, &[get("probs"), get("labels")]);
        let absolute = Tolerance { absolute: 2.0 * epsilon::<S>(), ..tolerance };
        golden.compare(&case, "grad_logits", &out["grad_logits"], absolute);
        let zero = [0.0; Metrics::LEN];
        let given = [get("loss"), get("probs"), get("labels"), ("metrics", &zero[..])];
        let out = run_op::<S>(Metrics { n, classes }, control, &given);
        golden.compare(&case, "metrics", &out["metrics"], tolerance);
    }
}

fn adam<S: Scalar>() {
    let golden = Golden::load("adam");
    for (case, weight_decay) in [("plain", 0.0), ("decay", 0.01)] {
        let [len] = golden.dims(case, "parameter.0");
        let op = Adam { len, weight_decay, ..ADAM };
        let mut parameter = golden.get(case, "parameter.0").to_vec();
        let (mut m, mut v) = (vec![0.0; len], vec![0.0; len]);
        for step in 1..=5 {
            let gradient = golden.get(case, &format!("gradient.{step}"));
            let control = control(&op, step, 0, 1, 1e-3);
            let given: [(&str, &[f64]); 4] =
                [("gradient", gradient), ("parameter", &parameter), ("m", &m), ("v", &v)];
            let out = run_op::<S>(op, control, &given);
            [parameter, m, v] = ["parameter", "m", "v"].map(|name| out[name].clone());
            // An update is at most a few learning rates. The control block has the corrections in f32: each is off
            // by half an epsilon of f32.
            let update = 1e-3 * f64::from(step) * (f64::from(f32::EPSILON) + 60.0 * epsilon::<S>());
            // The moments are sums over the steps whose terms may cancel. With weight decay the error of the
            // parameter is part of the gradient, which is of order 1 where the decay matters.
            let moment = |values: &[f64], weight: f64| Tolerance {
                absolute: 0.08 * epsilon::<S>() * largest(values).min(1.0)
                    + weight * f64::from(weight_decay) * update,
                relative: 60.0 * epsilon::<S>(),
            };
            golden.compare(case, &format!("m.{step}"), &m, moment(&m, 1.0));
            golden.compare(case, &format!("v.{step}"), &v, moment(&v, 4e-3));
            let tolerance = Tolerance { absolute: update, relative: 4.0 * epsilon::<S>() };
            golden.compare(case, &format!("parameter.{step}"), &parameter, tolerance);
        }
    }
}

fn prepare<S: Scalar>() {
    let golden = Golden::load("prepare");
    for case in golden.cases() {
        let [n, h, w, _] = golden.dims(&case, "images");
        let [_, oh, ow, _] = golden.dims::<4>(&case, "resized");
        let floats = |name| golden.get(&case, name).iter().map(|&v| v as f32).collect::<Vec<f32>>();
        let op = PrepareImages {
            n,
            source: [h, w],
            output: [oh, ow],
            mean: floats("mean"),
            std: floats("std"),
            reflect: false,
        };
        let images = ("images", golden.get(&case, "images"));
        let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0].repeat(n);
        // A position up to 28 is off by a few roundings, a neighbour by up to 255 levels away, and the result is
        // divided by a standard deviation of at least 0.22.
        let tolerance = Tolerance::absolute(6.0 * epsilon::<S>() * 28.0 * 2.0 / 0.22);
        let moves = [("resized", identity.as_slice()), ("moved", golden.get(&case, "transforms"))];
        for (expected, transforms) in moves {
            let out = run_op::<S>(op.clone(), Control::default(), &[images, ("transforms", transforms)]);
            golden.compare(&case, expected, &out["output"], tolerance);
        }
    }
}

/// Against an implementation of the generator in Python, and the rate against its expectation.
#[test]
fn dropout() {
    let golden = Golden::load("dropout");
    for case in golden.cases() {
        let [seed_low, seed_high, step, layer, offset] =
            [0, 1, 2, 3, 4].map(|i| golden.get(&case, "attributes")[i] as u32);
        let control = Control { batch: step, seed_low, seed_high, ..Control::default() };
        let kept = golden.get(&case, "kept");
        let rate = golden.get(&case, "rate")[0] as f32;
        let op = Dropout { len: kept.len(), offset: offset as usize, rate, layer };
        let input: Vec<f64> = (0..kept.len()).map(|i| i as f64 + 1.0).collect();
        let expected: Vec<f64> = input.iter().zip(kept).map(|(x, k)| x * k * f64::from(op.scale())).collect();
        let out = run_op::<f64>(op, control, &[("input", &input)]);
        compare(&case, &[kept.len()].into(), &out["output"], &expected, Tolerance::relative(1e-15));

        let len = 400_003;
        let op = Dropout { len, offset: 0, rate, layer };
        let out = run_op::<f32>(op, control, &[("input", &vec![1.0; len])]);
        let dropped = out["output"].iter().filter(|&&v| v == 0.0).count() as f64 / len as f64;
        let deviation = (f64::from(rate) * (1.0 - f64::from(rate)) / len as f64).sqrt();
        assert!((dropped - f64::from(rate)).abs() <= 4.0 * deviation, "{dropped} dropped, {rate} expected");
    }
}

/// One training step and an evaluation of a whole VGG16, a sixteenth wide.
fn network<S: Scalar>(gradient: f64, check_update: bool) {
    let golden = Golden::load("network");
    let Fixture { network, lowered, mut executor, batch } =
        golden_network::<S>(&golden, ADAM.into(), Precision::F32);
    let inputs = lowered.inputs;
    let control = control(&ADAM, 1, 0, batch, 1e-3);
    executor.upload(inputs.control, bytemuck::bytes_of(&control)).unwrap();
    let mean_loss = |executor: &mut CpuExecutor<S>| {
        let loss = read(executor, inputs.loss);
        vec![loss.iter().sum::<f64>() / loss.len() as f64]
    };

    executor.run(Pass::Train).unwrap();
    compare(
        "loss",
        &[1].into(),
        &mean_loss(&mut executor),
        &golden.0["loss"].1,
        Tolerance::relative(gradient),
    );
    // The file is rounded to f32.
    let rounded = f64::from(f32::EPSILON);
    for (parameter, tensors) in network.parameters.iter().zip(&lowered.parameters) {
        let device = |executor: &mut CpuExecutor<S>, id| -> Vec<f64> {
            let values: Vec<f32> = read(executor, id).into_iter().map(|v| v as f32).collect();
            parameter.layout.to_disk(&parameter.shape, &values).into_iter().map(f64::from).collect()
        };
        let name = &parameter.name;
        if let Some(grad) = tensors.gradient {
            let expected = golden.get("grad", name);
            // The gradient of the bias before a batch norm is 0, of which only rounding errors are left; they
            // are those of sums of gradients of the size of its weights' gradients.
            let absolute = gradient * largest(expected).max(1.0);
            let tolerance = Tolerance { absolute, relative: rounded };
            compare(
                &format!("grad.{name}"),
                &parameter.shape,
                &device(&mut executor, grad),
                expected,
                tolerance,
            );
        }
        if tensors.gradient.is_none() || check_update {
            let tolerance = Tolerance { absolute: gradient, relative: rounded + gradient };
            let after = golden.get("after", name);
            compare(
                &format!("after.{name}"),
                &parameter.shape,
                &device(&mut executor, tensors.value),
                after,
                tolerance,
            );
        }
    }
    if check_update {
        executor.run(Pass::Evaluate).unwrap();
        let expected = &golden.0["evaluated_loss"].1;
        compare(
            "evaluated loss",
            &[1].into(),
            &mean_loss(&mut executor),
            expected,
            Tolerance::relative(1e-6),
        );
    }
}

#[test]
fn network_in_f64() {
    // Adam divides by the gradient's size, and the corrections are rounded to f32: 1e-3 times half an epsilon.
    network::<f64>(1e-9, true);
}

#[test]
fn network_in_f32() {
    // Thirteen batch norms amplify rounding errors. The updated weights are not compared: if a gradient consists
    // only of rounding errors, so does Adam's step.
    network::<f32>(1e-4, false);
}
