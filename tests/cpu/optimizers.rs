//! Optimisers, their options and schedules against PyTorch's own numbers over twenty steps and more (`assets/golden/make.py`); runs
//! with them, resumed bit for bit.

use std::{collections::BTreeMap, path::Path};

use tempfile::tempdir;
use vgg_wgpu::{
    cpu::Scalar,
    model::Architecture,
    ops::{
        Adam, Average, ClipGradient, Control, CrossEntropy, CrossEntropyGrad, GradBias, Linear,
        LinearGradWeight, Lion, Op, Rule, RuleOperands, Sgd, SquareSum,
    },
    program::{Executor, Pass, Precision, Training},
    shape::Shape,
    train::{
        Checkpoint, Event, LrScheduler, Optimizer, PaddingMode, RunDirectory, Schedule, TrainConfig,
        TrainError, Trainer,
    },
    weights::{Pretrained, Weights},
};

use crate::support::{
    ADAM, Fixture, Golden, Tolerance, both, compare, control, epsilon, golden_network, largest, read, run_op,
    runs,
};

const STEPS: usize = 20;

both!(optimizers);

/// A trained tensor with its gradient, optimiser state and average.
#[derive(Default)]
struct Trained {
    value: Vec<f64>,
    gradient: Vec<f64>,
    state: BTreeMap<&'static str, Vec<f64>>,
    average: Vec<f64>,
    sparse: bool,
}

impl Trained {
    fn update<S: Scalar>(&mut self, rule: Rule, control: Control) {
        let mut given: Vec<(&str, &[f64])> = vec![("gradient", &self.gradient), ("parameter", &self.value)];
        given.extend(self.state.iter().map(|(name, values)| (*name, values.as_slice())));
        let state = vec![(); rule.state().len()];
        let operands = RuleOperands { control: (), loss_scale: None, gradient: (), parameter: (), state };
        let (op, _) = rule.step(self.value.len(), self.sparse, operands);
        let mut out = run_op::<S>(op, control, &given);
        self.value = out.remove("parameter").unwrap();
        self.state = rule.state().iter().map(|name| (*name, out.remove(name).unwrap())).collect();
    }
}

/// A softmax regression, every operation of its steps.
fn optimizers<S: Scalar>() {
    let golden = Golden::load("optimizers");
    let cases: Vec<String> = golden.cases().into_iter().filter(|case| case != "data").collect();
    assert_eq!(cases.len(), 9);
    for case in cases {
        let numbers = golden.get(&case, "attributes").iter().map(|&v| v as f32).collect::<Vec<_>>();
        let [lr, momentum, nesterov, weight_decay, label_smoothing, max_norm, decay] =
            numbers.try_into().unwrap();
        let adam = Adam { weight_decay, ..ADAM };
        let rule: Rule = match case.as_str() {
            "adam" | "adam_decay" => adam.into(),
            "adamw" | "average" => Adam { decoupled: true, ..adam }.into(),
            _ => Sgd {
                len: 0,
                momentum,
                nesterov: nesterov != 0.0,
                weight_decay,
                scaled: false,
                sparse: false,
            }
            .into(),
        };
        let [n, inputs] = golden.dims("data", "input");
        let [classes, _] = golden.dims("data", "weight");
        let data = |name| (name, golden.get("data", name));
        let mut parts = ["weight", "bias"].map(|name| {
            let value = golden.get("data", name).to_vec();
            let state = rule.state().iter().map(|&name| (name, vec![0.0; value.len()])).collect();
            Trained { average: vec![f64::NAN; value.len()], value, state, ..Trained::default() }
        });
        for step in 1..=STEPS {
            let control = control(&ADAM, step as u32, 0, n, lr);
            let run = |op: Op, given: &[(&str, &[f64])]| run_op::<S>(op, control, given);
            let [weight, bias] = &mut parts;
            let linear = Linear::whole(n, inputs, classes);
            let given = [data("input"), ("weight", &weight.value), ("bias", &bias.value)];
            let logits = run(Op::Linear(linear), &given).remove("output").unwrap();
            let op = CrossEntropy { n, classes, label_smoothing, mixed: false, logit_scale: 1.0 };
            let out = run(op.into(), &[("logits", &logits), ("labels", data("labels").1)]);
            let op = CrossEntropyGrad { n, classes, label_smoothing, mixed: false, logit_scale: 1.0 };
            let given = [("probs", out["probs"].as_slice()), ("labels", data("labels").1)];
            let grad_logits = run(op.into(), &given).remove("grad_logits").unwrap();
            let gradient = ("grad_output", grad_logits.as_slice());
            let op = LinearGradWeight(linear).into();
            weight.gradient = run(op, &[data("input"), gradient]).remove("grad_weight").unwrap();
            let op = GradBias { rows: n, channels: classes, accumulate: false }.into();
            bias.gradient = run(op, &[gradient]).remove("grad_bias").unwrap();

            let mut squares = vec![f64::NAN];
            for (index, part) in parts.iter().enumerate() {
                let op = SquareSum { len: part.value.len(), accumulate: index > 0 };
                let given = [("gradient", part.gradient.as_slice()), ("squares", &squares)];
                squares = run(op.into(), &given).remove("squares").unwrap();
            }
            for part in &mut parts {
                if max_norm > 0.0 {
                    let op = ClipGradient { len: part.value.len(), max_norm, scaled: false };
                    let given = [("gradient", part.gradient.as_slice()), ("squares", &squares)];
                    part.gradient = run(op.into(), &given).remove("gradient").unwrap();
                }
                part.update::<S>(rule, control);
                let op = Average { len: part.value.len(), decay };
                let given = [("value", part.value.as_slice()), ("average", &part.average)];
                part.average = run(op.into(), &given).remove("average").unwrap();
            }

            // Each step rounds a few values of size 1 or so, and later steps accumulate the errors: momentum up to ten times.
            // Adam divides errors of small gradients by their size, and has its corrections in f32 even if all else is
            // f64: its updates, of the size of the learning rate, are off by that.
            let (corrections, growth) = match rule {
                Rule::Adam(_) => (f64::from(lr) * f64::from(f32::EPSILON), 10.0),
                Rule::Sgd(sgd) => (0.0, f64::from(10.0 * sgd.momentum).max(1.0)),
                Rule::Lion(_) => unreachable!("PyTorch has no Lion"),
            };
            let absolute = step as f64 * growth * (8.0 * epsilon::<S>() + corrections);
            let tolerance = Tolerance { absolute, relative: 0.0 };
            let [weight, bias] = &parts;
            let loss = out["loss"].iter().sum::<f64>() / n as f64;
            let norm = squares[0].sqrt();
            let mut found =
                vec![("loss", vec![loss]), ("weight", weight.value.clone()), ("bias", bias.value.clone())];
            if max_norm > 0.0 || decay > 0.0 {
                found.push(("norm", vec![norm]));
                // PyTorch's average without a decay is the weight itself, as here.
                found.push(("average", weight.average.clone()));
            }
            for (name, actual) in found {
                let all = golden.get(&case, name);
                let expected = &all[(step - 1) * actual.len()..][..actual.len()];
                let title = format!("{case}.{name} after step {step}");
                compare(&title, &[actual.len()].into(), &actual, expected, tolerance);
            }
        }
    }
}

/// Twenty steps of a whole VGG16 with every option of a step at once: its parts are lowered in the right order and place,
/// running statistics are averaged, and the evaluation reads the average and has no label smoothing.
#[test]
fn a_whole_network_with_everything_at_once() {
    let before = Golden::load("network");
    let golden = Golden::load("training");
    let rate = 0.01;
    let sgd = Sgd { len: 0, momentum: 0.9, nesterov: true, weight_decay: 1e-3, scaled: false, sparse: false };
    let training = Training {
        label_smoothing: 0.1,
        clip_grad_norm: Some(4.0),
        average: Some(0.9),
        ..Training::from(sgd)
    };
    let mut net = golden_network::<f64>(&before, training, Precision::F32);
    let expected = &golden.0["loss"].1;
    assert_eq!(expected.len(), STEPS);
    let norms = &golden.0["norm"].1;
    assert!(norms.iter().any(|&n| n > 4.0) && norms.iter().any(|&n| n < 4.0), "{norms:?}");
    let mean_loss = |net: &mut Fixture<f64>| {
        let loss = read(&mut net.executor, net.lowered.inputs.loss);
        vec![loss.iter().sum::<f64>() / loss.len() as f64]
    };
    // Errors of 1e-16 grow from step to step, here by less than three times each.
    let tolerance = Tolerance { absolute: 1e-9, relative: 1e-9 };
    for (step, expected) in expected.iter().enumerate() {
        net.control(step as u32 + 1, rate);
        net.executor.run(Pass::Train).unwrap();
        compare(
            &format!("loss of step {}", step + 1),
            &[1].into(),
            &mean_loss(&mut net),
            &[*expected],
            tolerance,
        );
    }
    net.executor.run(Pass::Evaluate).unwrap();
    compare("evaluated loss", &[1].into(), &mean_loss(&mut net), &golden.0["evaluated_loss"].1, tolerance);
    let mut compared = 0;
    for (index, parameter) in net.network.parameters.iter().enumerate() {
        let tensors = net.lowered.parameters[index].clone();
        for (kind, tensor) in [("after", tensors.value), ("average", tensors.average.unwrap())] {
            let Some((shape, expected)) = golden.0.get(&format!("{kind}.{}", parameter.name)) else {
                continue;
            };
            let values: Vec<f32> = read(&mut net.executor, tensor).into_iter().map(|v| v as f32).collect();
            let values: Vec<f64> =
                parameter.layout.to_disk(&parameter.shape, &values).into_iter().map(f64::from).collect();
            // Both are rounded to f32.
            let rounded = Tolerance { absolute: 1e-9 * largest(expected), relative: f64::from(f32::EPSILON) };
            compare(&format!("{kind}.{}", parameter.name), shape, &values, expected, rounded);
            compared += 1;
        }
    }
    assert_eq!(compared, 8);
}

/// Every schedule with and without warm-up: 24 steps, 3 an epoch.
#[test]
fn schedules() {
    let golden = Golden::load("schedules");
    let cases = golden.cases();
    assert_eq!(cases.len(), 8);
    for case in cases {
        let config = TrainConfig {
            epochs: 8,
            lr_gamma: 0.5,
            lr_step_size: 2,
            lr_warmup_epochs: if case.ends_with("warmup") { 2.0 } else { 0.0 },
            ..TrainConfig::default()
        };
        let config = match case.split('_').next().unwrap() {
            "constant" => config,
            "step" => TrainConfig { lr_scheduler: LrScheduler::Step, ..config },
            "multistep" => {
                TrainConfig { lr_scheduler: LrScheduler::Multistep, lr_milestones: vec![1, 4, 5], ..config }
            }
            "cosine" => TrainConfig { lr_scheduler: LrScheduler::Cosine, ..config },
            other => panic!("{other}"),
        };
        config.validate().unwrap();
        let schedule = Schedule::new(&config, 3);
        let rates: Vec<f64> = (1..=24).map(|step| schedule.rate(step)).collect();
        let shape: Shape = [24].into();
        // PyTorch computes most of them recursively, a few roundings each step.
        compare(
            &case,
            &shape,
            &rates,
            golden.get(&case, "rate"),
            Tolerance { absolute: 1e-15, relative: 1e-13 },
        );
    }
}

/// The norm of scaled gradients is taken without the scale, whatever the optimiser. The reference does not round to f16, so
/// that three steps of mixed precision are those of f32.
#[test]
fn clipping_and_the_loss_scale() {
    let before = Golden::load("network");
    let sgd =
        Sgd { len: 0, momentum: 0.9, nesterov: false, weight_decay: 1e-3, scaled: false, sparse: false };
    let rules: [Rule; 3] = [
        sgd.into(),
        Sgd { momentum: 0.0, ..sgd }.into(),
        Adam { decoupled: true, weight_decay: 0.1, ..ADAM }.into(),
    ];
    for rule in rules {
        let training = Training { clip_grad_norm: Some(0.5), average: Some(0.5), ..Training::from(rule) };
        let [plain, mixed] = [Precision::F32, Precision::Mixed].map(|precision| {
            let mut net = golden_network::<f64>(&before, training, precision);
            net.train(3, 1e-3);
            net.state()
        });
        for (name, values) in &mixed {
            // Without the biases before a batch norm, whose gradients and so Adam's steps consist of rounding errors.
            let noise = name.starts_with("features.") && name.contains(".bias");
            if name.contains(".grad") || (noise && matches!(rule, Rule::Adam(_))) {
                continue;
            }
            // The powers of Adam's decays are f32, by two ways; a step is 1e-3.
            let tolerance = Tolerance { absolute: 1e-6 * 1e-3, relative: 1e-6 };
            compare(name, &[values.len()].into(), values, &plain[name], tolerance);
        }
    }
}

fn everything(output_dir: &Path) -> TrainConfig {
    TrainConfig {
        opt: Optimizer::Sgd,
        nesterov: true,
        weight_decay: 1e-3,
        lr_scheduler: LrScheduler::Multistep,
        lr_milestones: vec![1, 2],
        label_smoothing: 0.1,
        random_crop: 1,
        padding_mode: PaddingMode::Reflect,
        random_erase: 0.5,
        mixup_alpha: 0.2,
        cutmix_alpha: 1.0,
        bn_l1: 1e-3,
        clip_grad_norm: Some(1.0),
        model_ema: true,
        model_ema_decay: Some(0.9),
        patience: Some(3),
        ..runs::config(output_dir)
    }
}

#[test]
fn a_resumed_run_with_everything_equals_an_uninterrupted_one() {
    let adamw = |folder: &Path| TrainConfig {
        opt: Optimizer::Adamw,
        nesterov: false,
        epochs: 2,
        ..everything(folder)
    };
    for config in [everything, adamw] {
        let whole = tempdir().unwrap();
        runs::finish(&mut runs::start(&config(whole.path())));
        runs::assert_resumed_runs_are_the_same(whole.path(), config, &[1, 33]);
    }
}

#[test]
fn the_best_weights_and_evaluations_are_those_of_the_average() {
    let folder = tempdir().unwrap();
    let config = TrainConfig { epochs: 1, ..everything(folder.path()) };
    let last = runs::finish(&mut runs::start(&config)).last;
    let [best, checkpoint] =
        ["best.safetensors", "checkpoint.safetensors"].map(|name| folder.path().join(name));
    let [best_tensors, all] = [&best, &checkpoint].map(|path| runs::tensors(path));
    for (name, bytes) in best_tensors.iter().filter(|(name, _)| !name.ends_with("num_batches_tracked")) {
        assert!(bytes == &all[&format!("ema.{name}")], "{name} is not the average");
        // Biases before a batch norm stay 0.
        assert!(bytes != &all[name] || name.ends_with(".bias"), "{name} is not averaged");
    }
    let names: Vec<&String> = all.keys().filter(|name| name.starts_with("optimizer.")).collect();
    assert!(names.iter().all(|name| name.starts_with("optimizer.velocity.")), "{names:?}");
    // An evaluation of a checkpoint uses the average, too.
    let data = runs::data();
    let loader = vgg_wgpu::data::Loader::evaluate(data.test.clone(), 8).unwrap();
    for path in [&best, &checkpoint] {
        let mut session = runs::session(&runs::config(folder.path()), &data, |executor, _| executor);
        session.load(&Weights::read(path, None).unwrap()).unwrap();
        let evaluation = session.evaluate(&loader, |_, _| {}).unwrap();
        assert_eq!(evaluation.accuracy(), last.test_accuracy);
        // A training that starts from it does as well.
        let pretrained = Pretrained::read(path, session.network()).unwrap();
        let mut trainer =
            runs::start(&TrainConfig { epochs: 1, ..runs::config(&folder.path().join("next")) });
        trainer.begin_with(&pretrained).unwrap();
        let evaluation = trainer.session().evaluate(&loader, |_, _| {}).unwrap();
        assert_eq!(evaluation.accuracy(), last.test_accuracy);
        std::fs::remove_dir_all(folder.path().join("next")).unwrap();
    }
}

/// The average of a short run: with a decay of 0.999 alone, 93 % of it would be the weights of the first step.
#[test]
fn the_average_of_a_short_run_has_learnt_as_much() {
    let folder = tempdir().unwrap();
    let [plain, averaged] = [("plain", false), ("averaged", true)].map(|(name, model_ema)| {
        let config = runs::config(&folder.path().join(name));
        let (model, hidden) = (Architecture::Vgg11Bn, Some(64));
        runs::finish(&mut runs::start(&TrainConfig { model, hidden, dropout: 0.0, model_ema, ..config })).last
    });
    assert_eq!((averaged.step, averaged.train_loss), (72, plain.train_loss));
    // Chance is ln 4 = 1.386.
    assert!(plain.test_loss < 0.9, "{plain:?}");
    assert!(averaged.test_loss < plain.test_loss + 0.1, "{averaged:?}, {plain:?}");
}

/// Against the definition, over the steps of the warm-up, the first after it, and one of a long run.
#[test]
fn the_decay_of_an_average_is_warmed_up() {
    let average = Average { len: 1, decay: 0.75 };
    for (step, decay) in [(2, 3.0 / 12.0), (7, 8.0 / 17.0), (25, 26.0 / 35.0), (26, 0.75), (u32::MAX, 0.75)] {
        let control = control(&ADAM, step, 0, 1, 1e-3);
        let given: [(&str, &[f64]); 2] = [("value", &[5.0]), ("average", &[1.0])];
        let found = run_op::<f64>(average, control, &given).remove("average").unwrap();
        let expected = decay * 1.0 + (1.0 - decay) * 5.0;
        compare(
            &format!("step {step}"),
            &[1].into(),
            &found,
            &[expected],
            Tolerance::absolute(4.0 * f64::EPSILON),
        );
    }
}

/// A run whose evaluations do not change: its weights hardly move, and it has no running statistics.
fn idle(output_dir: &Path, patience: u32) -> TrainConfig {
    TrainConfig {
        model: Architecture::Vgg16,
        lr: 1e-12,
        epochs: 10,
        patience: Some(patience),
        ..everything(output_dir)
    }
}

#[test]
fn a_run_ends_when_patience_does_and_can_continue_with_more() {
    let [whole, folder] = [tempdir().unwrap(), tempdir().unwrap()];
    let summary = runs::finish(&mut runs::start(&idle(whole.path(), 4)));
    assert_eq!((summary.best.epoch, summary.last.epoch, summary.early), (1, 5, Some(4)));
    let mut trainer = runs::start(&idle(folder.path(), 2));
    runs::interrupt(&mut trainer, |event| matches!(event, Event::Step(s) if s.step == 53));
    drop(trainer);
    let summary = runs::finish(&mut runs::resume(folder.path(), "").unwrap());
    assert_eq!((summary.last.epoch, summary.early), (3, Some(2)));
    let error = runs::resume(folder.path(), "").err().unwrap().to_string();
    assert!(error.contains("after epoch 3") && error.contains("--patience above 2"), "{error}");
    runs::finish(&mut runs::resume(folder.path(), "patience = 4").unwrap());
    runs::assert_same_run(whole.path(), folder.path());
}

#[test]
fn a_checkpoint_of_another_optimiser_is_refused_by_name() {
    let folder = tempdir().unwrap();
    let config = TrainConfig { steps: Some(2), ..runs::config(folder.path()) };
    runs::finish(&mut runs::start(&config));
    let error = runs::resume(folder.path(), "opt = \"sgd\"\nsteps = 9").err().unwrap().to_string();
    assert!(error.contains("--opt is \"adam\", not \"sgd\""), "{error}");

    let path = folder.path().join("checkpoint.safetensors");
    let checkpoint = Checkpoint::read(&path).unwrap();
    let data = runs::data();
    let other = TrainConfig { opt: Optimizer::Sgd, steps: Some(9), ..config.clone() };
    let (directory, _) = RunDirectory::resume(&path, None).unwrap();
    let session = runs::session(&other, &data, |executor, _| executor);
    let mut trainer = Trainer::new(session, other, &data, directory).unwrap();
    let error = trainer.restore(&checkpoint).unwrap_err();
    assert!(matches!(error, TrainError::OtherOptimizer { .. }), "{error}");
    assert!(error.to_string().contains("trained with --opt adam, but this run with --opt sgd"), "{error}");

    // A file that contradicts itself.
    let bytes = std::fs::read(&path).unwrap();
    let text = b"opt = \\\"adam\\\"\\nlr =";
    let at = bytes.windows(text.len()).position(|part| part == text).expect("the configuration");
    let mut changed = bytes.clone();
    changed[at..at + text.len()].copy_from_slice(b"opt = \\\"sgd\\\"\\n lr =");
    std::fs::write(&path, changed).unwrap();
    let error = Checkpoint::read(&path).unwrap_err().to_string();
    for line in ["missing: optimizer.velocity.features.0.weight", "extra: optimizer.m.features.0.weight"] {
        assert!(error.contains(line), "{error}");
    }
}

/// PyTorch has no Lion: the rule of the paper, word by word, over twenty steps on gradients that change their signs.
#[test]
fn lion_is_the_papers_algorithm() {
    const LEN: usize = 37;
    let lion = Lion { len: LEN, beta1: 0.9, beta2: 0.99, weight_decay: 0.1, scaled: false, sparse: false };
    let [beta1, beta2, decay] = [lion.beta1, lion.beta2, lion.weight_decay].map(f64::from);
    let rate = f64::from(1e-3f32);
    let mut part = Trained {
        value: (0..LEN).map(|i| (i as f64 * 0.7).sin()).collect(),
        state: [("m", vec![0.0; LEN])].into(),
        ..Trained::default()
    };
    let (mut value, mut m) = (part.value.clone(), vec![0.0; LEN]);
    for step in 1..=20 {
        let wave =
            |i: usize| if i == 3 { 0.0 } else { (i as f64 + 0.3 * f64::from(step) * (i % 5) as f64).cos() };
        part.gradient = (0..LEN).map(wave).collect();
        part.update::<f64>(lion.into(), control(&ADAM, step, 0, 1, 1e-3));
        for i in 0..LEN {
            let update = beta1 * m[i] + (1.0 - beta1) * part.gradient[i];
            let sign = if update == 0.0 { 0.0 } else { update.signum() };
            value[i] -= rate * (sign + decay * value[i]);
            m[i] = beta2 * m[i] + (1.0 - beta2) * part.gradient[i];
        }
        compare("parameter", &[LEN].into(), &part.value, &value, Tolerance::absolute(1e-14));
        compare("m", &[LEN].into(), &part.state["m"], &m, Tolerance::absolute(1e-14));
    }
}
