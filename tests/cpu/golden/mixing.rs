//! Erasing, mixup, CutMix, their targets, and reflection padding.

use vgg_wgpu::{
    cpu::Scalar,
    ops::{Control, CrossEntropy, CrossEntropyGrad, Mix, MixImages, Op, PrepareImages},
};

use crate::support::{ADAM, Golden, Tolerance, both, control, epsilon, run_op};

both!(mixing);

fn mixing<S: Scalar>() {
    let golden = Golden::load("mix");
    let [n, h, w, channels] = golden.dims("all", "images");
    let get = |golden: &Golden, name: &'static str| (name, golden.get("all", name).to_vec());
    let run = |op: Op, given: [(&str, Vec<f64>); 2]| {
        run_op::<S>(
            op,
            Control::default(),
            &given.each_ref().map(|(name, values)| (*name, values.as_slice())),
        )
    };
    let op = MixImages { n, size: [h, w], channels };
    let out = run(op.into(), ["images", "mixes"].map(|name| get(&golden, name)));
    golden.compare("all", "output", &out["output"], Tolerance::absolute(16.0 * epsilon::<S>()));

    let golden = Golden::load("reflect");
    let [n, h, w, _] = golden.dims("all", "images");
    let (mean, std) = (vec![0.1307], vec![0.3081]);
    let op = PrepareImages { n, source: [h, w], output: [h, w], mean, std, reflect: true };
    let out = run(op.into(), ["images", "transforms"].map(|name| get(&golden, name)));
    golden.compare("all", "output", &out["output"], Tolerance::absolute(16.0 * epsilon::<S>()));

    let golden = Golden::load("mixed_targets");
    let [n, classes] = golden.dims("mixed", "logits");
    let mixes: Vec<f64> = golden
        .get("mixed", "own")
        .iter()
        .flat_map(|&own| [[0.0; Mix::LEN - 1].as_slice(), &[own]].concat())
        .collect();
    let get = |name| (name, golden.get("mixed", name));
    let given = [get("logits"), get("labels"), ("mixes", &mixes)];
    let op = CrossEntropy { n, classes, label_smoothing: 0.1, mixed: true, logit_scale: 1.0 };
    let out = run_op::<S>(op, Control::default(), &given);
    let tolerance = Tolerance::absolute(32.0 * epsilon::<S>());
    golden.compare("mixed", "loss", &out["loss"], tolerance);
    let op = CrossEntropyGrad { n, classes, label_smoothing: 0.1, mixed: true, logit_scale: 1.0 };
    let given = [("probs", out["probs"].as_slice()), get("labels"), ("mixes", &mixes)];
    let out = run_op::<S>(op, control(&ADAM, 1, 0, n, 0.0), &given);
    golden.compare("mixed", "grad_logits", &out["grad_logits"], tolerance);
}
