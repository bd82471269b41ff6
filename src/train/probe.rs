//! Layer statistics over a batch: dead ReLUs, running statistics.

use half::f16;
use serde::{Deserialize, Serialize};

use crate::{
    dtype::DType,
    model::ActivationKind,
    ops::Op,
    program::{Executor, ExecutorError, Pass, Program, TensorId, floats},
};

/// Statistics of a convolution, its batch norm and its activation at the end of an epoch, measured in evaluation on the first
/// batch of the test images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerRow {
    /// The epoch, counted from 1.
    pub epoch: u32,
    /// The layer, as `conv3_2`.
    pub layer: String,
    /// The fraction of channels whose activation is 0 everywhere in the batch.
    pub dead: f64,
    /// The fraction of all values that the activation sets to 0: only ReLU does.
    pub zero: f64,
    /// The root mean square over the channels of the running mean; `None` without batch norm.
    pub running_mean: Option<f64>,
    /// The mean over the channels of the running variance; `None` without batch norm.
    pub running_var: Option<f64>,
}

/// A convolution of the evaluation.
struct Convolution {
    layer: String,
    output: TensorId,
    /// Running mean, running variance, and the vectors of [`crate::ops::BatchNormAffine`].
    norm: Option<[TensorId; 3]>,
    /// The step after which all of its output is computed and none is overwritten yet.
    last: usize,
}

fn convolutions(program: &Program) -> Vec<Convolution> {
    let mut found: Vec<Convolution> = Vec::new();
    for index in program.pass(Pass::Evaluate) {
        let step = &program.steps[index];
        let tensor = |name: &str| {
            let at = step.op.operands().iter().position(|operand| operand.name == name)?;
            Some(step.args[at].tensor)
        };
        match step.op.plain() {
            Op::ConvForward(_) => {
                let output = tensor("output").expect("a convolution has one");
                match found.last_mut().filter(|convolution| convolution.output == output) {
                    // Another slice of the batch.
                    Some(convolution) => convolution.last = index,
                    None => found.push(Convolution {
                        layer: layer_of(&step.label).to_owned(),
                        output,
                        norm: None,
                        last: index,
                    }),
                }
            }
            Op::BatchNormAffine(_) => {
                let vectors = ["mean", "variance", "affine"].map(tensor);
                if let (Some(convolution), [Some(mean), Some(variance), Some(affine)]) =
                    (found.last_mut(), vectors)
                {
                    convolution.norm = Some([mean, variance, affine]);
                    convolution.last = index;
                }
            }
            _ => {}
        }
    }
    found
}

/// `conv3_2` of `evaluate.conv3_2.forward`.
fn layer_of(label: &str) -> &str {
    let label = label.strip_prefix("evaluate.").unwrap_or(label);
    label.split('.').next().unwrap_or(label)
}

/// The values of a tensor that was read, f16 or f32.
pub(super) fn stored(dtype: DType, bytes: &[u8]) -> Vec<f32> {
    match dtype {
        DType::F16 => bytes.as_chunks().0.iter().map(|b| f16::from_ne_bytes(*b).to_f32()).collect(),
        _ => floats(bytes),
    }
}

/// Evaluates the batch that was uploaded last, and computes the statistics of its first `images` images after each
/// convolution.
pub(super) fn probe(
    executor: &mut dyn Executor,
    activation: ActivationKind,
    images: usize,
    epoch: u32,
) -> Result<Vec<LayerRow>, ExecutorError> {
    let convolutions = convolutions(executor.program());
    let mut rows = Vec::new();
    let pass = executor.program().pass(Pass::Evaluate);
    let mut next = pass.start;
    for Convolution { layer, output, norm, last } in convolutions {
        executor.queue(next..last + 1)?;
        next = last + 1;
        let tensor = executor.program().tensor(output).clone();
        let (extents, bytes) = (tensor.shape.dims().to_vec(), executor.read(output)?);
        let (batch, channels) = (extents[0], extents[extents.len() - 1]);
        let mut vectors = |tensor| Ok::<_, ExecutorError>(floats(&executor.read(tensor)?));
        // `(x - mean) * scale + shift`, the identity without batch norm.
        let affine = match norm {
            Some([_, _, affine]) => vectors(affine)?,
            None => [vec![0.0; channels], vec![1.0; channels], vec![0.0; channels]].concat(),
        };
        let [means, scales, shifts] = [0, 1, 2].map(|row| &affine[row * channels..][..channels]);
        let values = stored(tensor.dtype, &bytes);
        // Hundreds of MiB at 224 px.
        drop(bytes);
        let rows_of_images = values.len() / channels / batch * images;
        let mut alive = vec![0u64; channels];
        for pixel in values.chunks_exact(channels).take(rows_of_images) {
            for (channel, &x) in pixel.iter().enumerate() {
                let y = (x - means[channel]) * scales[channel] + shifts[channel];
                alive[channel] += u64::from(y > 0.0 || activation != ActivationKind::Relu);
            }
        }
        let dead = alive.iter().filter(|&&count| count == 0).count() as f64 / channels as f64;
        let zero = 1.0 - alive.iter().sum::<u64>() as f64 / (rows_of_images * channels) as f64;
        let mean_of = |values: &[f32], f: fn(f64) -> f64| {
            values.iter().map(|&v| f(v.into())).sum::<f64>() / channels as f64
        };
        let (running_mean, running_var) = match norm {
            Some([mean, variance, _]) => {
                (Some(mean_of(&vectors(mean)?, |v| v * v).sqrt()), Some(mean_of(&vectors(variance)?, |v| v)))
            }
            None => (None, None),
        };
        rows.push(LayerRow { epoch, layer, dead, zero, running_mean, running_var });
    }
    executor.queue(next..pass.end)?;
    Ok(rows)
}
