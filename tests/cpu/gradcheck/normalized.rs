//! Batch norm with an activation after it, and the operations that read through both.

use vgg_wgpu::ops::*;

use super::{Middle, Pool, len, normal, run};

/// Batch norm, and the activation after it if there is one.
pub struct BatchNorm(pub Option<Activation>);

impl BatchNorm {
    fn affine([n, h, w, c]: [usize; 4], input: &[f64], p: &[Vec<f64>]) -> Vec<f64> {
        let op = BatchNormStatistics { rows: n * h * w, channels: c, rows_before: 0 };
        let [mean, variance] = run(op, &[("input", input)], ["batch_mean", "batch_var"]);
        affine(mean, variance, p)
    }

    /// The vectors for the gradient of the input, and the gradients of gamma and beta.
    fn grad_affine(
        &self,
        [n, h, w, c]: [usize; 4],
        input: &[f64],
        affine: &[f64],
        grad: &[f64],
    ) -> [Vec<f64>; 3] {
        let (rows, activation) = (n * h * w, self.0);
        let op = BatchNormGradStatistics { rows, channels: c, activation, accumulate: false };
        let given: [(&str, &[f64]); 3] = [("input", input), ("affine", affine), ("grad_output", grad)];
        let [gamma, beta] = run(op, &given, ["grad_gamma", "grad_beta"]);
        [through([n, h, w, c], affine, &gamma, &beta), gamma, beta]
    }

    /// The gradients of the input, gamma and beta.
    fn gradients(&self, shape: [usize; 4], input: &[f64], affine: &[f64], grad: &[f64]) -> [Vec<f64>; 3] {
        let [through, gamma, beta] = self.grad_affine(shape, input, affine, grad);
        [self.grad_input(shape, input, &through, grad), gamma, beta]
    }

    fn grad_input(
        &self,
        [n, h, w, channels]: [usize; 4],
        input: &[f64],
        through: &[f64],
        grad: &[f64],
    ) -> Vec<f64> {
        let op = BatchNormGradInput { rows: n * h * w, channels, activation: self.0 };
        let given: [(&str, &[f64]); 3] = [("input", input), ("grad_affine", through), ("grad_output", grad)];
        let [dx] = run(op, &given, ["grad_input"]);
        dx
    }
}

/// The vectors for the gradient of the input, from the gradients of gamma and beta.
fn through([n, h, w, channels]: [usize; 4], affine: &[f64], gamma: &[f64], beta: &[f64]) -> Vec<f64> {
    let op = BatchNormGradAffine { channels, total_rows: n * h * w, bias: false };
    let given: [(&str, &[f64]); 3] = [("affine", affine), ("grad_gamma", gamma), ("grad_beta", beta)];
    let [through] = run(op, &given, ["grad_affine"]);
    through
}

fn affine(mean: Vec<f64>, variance: Vec<f64>, p: &[Vec<f64>]) -> Vec<f64> {
    let op = BatchNormAffine { channels: mean.len(), eps: 1e-5 };
    let given: [(&str, &[f64]); 4] =
        [("mean", &mean), ("variance", &variance), ("gamma", &p[0]), ("beta", &p[1])];
    let [affine] = run(op, &given, ["affine"]);
    affine
}

impl Middle for BatchNorm {
    fn parameters(&self, [.., c]: [usize; 4]) -> Vec<(&'static str, Vec<f64>)> {
        vec![("gamma", normal(7, c)), ("beta", normal(8, c))]
    }

    fn forward(&self, shape: [usize; 4], input: &[f64], p: &[Vec<f64>]) -> Vec<f64> {
        let affine = Self::affine(shape, input, p);
        let (rows, channels) = (len(shape) / shape[3], shape[3]);
        let op = BatchNormNormalize { rows, channels, activation: self.0, images: None };
        let [y] = run(op, &[("input", input), ("affine", &affine)], ["output"]);
        y
    }

    fn backward(
        &self,
        shape: [usize; 4],
        input: &[f64],
        p: &[Vec<f64>],
        grad: &[f64],
    ) -> (Vec<f64>, Vec<Vec<f64>>) {
        let affine = Self::affine(shape, input, p);
        let [dx, gamma, beta] = self.gradients(shape, input, &affine, grad);
        (dx, vec![gamma, beta])
    }
}

/// A norm of each image or pixel by itself, and the activation after it if there is one.
pub struct OwnNorm {
    pub groups: usize,
    pub by_pixel: bool,
    pub activation: Option<Activation>,
}

impl OwnNorm {
    fn op(&self, [n, h, w, channels]: [usize; 4]) -> GroupNorm {
        let [images, pixels] = if self.by_pixel { [n * h * w, 1] } else { [n, h * w] };
        GroupNorm { images, pixels, channels, groups: self.groups, eps: 1e-5, activation: self.activation }
    }

    fn run(&self, shape: [usize; 4], input: &[f64], p: &[Vec<f64>]) -> [Vec<f64>; 2] {
        let given: [(&str, &[f64]); 3] = [("input", input), ("gamma", &p[0]), ("beta", &p[1])];
        run(self.op(shape), &given, ["output", "moments"])
    }
}

impl Middle for OwnNorm {
    fn parameters(&self, [.., c]: [usize; 4]) -> Vec<(&'static str, Vec<f64>)> {
        vec![("gamma", normal(7, c)), ("beta", normal(8, c))]
    }

    fn forward(&self, shape: [usize; 4], input: &[f64], p: &[Vec<f64>]) -> Vec<f64> {
        let [output, _] = self.run(shape, input, p);
        output
    }

    fn backward(
        &self,
        shape: [usize; 4],
        input: &[f64],
        p: &[Vec<f64>],
        grad: &[f64],
    ) -> (Vec<f64>, Vec<Vec<f64>>) {
        let [_, moments] = self.run(shape, input, p);
        let op = GroupNormGrad { norm: self.op(shape), parameters: true, accumulate: false };
        let given: [(&str, &[f64]); 5] = [
            ("input", input),
            ("gamma", &p[0]),
            ("beta", &p[1]),
            ("moments", &moments),
            ("grad_output", grad),
        ];
        let [dx, gamma, beta] = run(op, &given, ["grad_input", "grad_gamma", "grad_beta"]);
        (dx, vec![gamma, beta])
    }
}

/// A convolution that reads through batch norm and an activation.
pub struct NormalizedConvolution {
    pub channels: usize,
    pub activation: Activation,
}

impl NormalizedConvolution {
    fn op(&self, [n, h, w, c]: [usize; 4]) -> Conv {
        Conv { n, h, w, c, k: self.channels }
    }
}

impl Middle for NormalizedConvolution {
    fn output(&self, [n, h, w, _]: [usize; 4]) -> [usize; 4] {
        [n, h, w, self.channels]
    }

    fn parameters(&self, [.., c]: [usize; 4]) -> Vec<(&'static str, Vec<f64>)> {
        vec![("gamma", normal(7, c)), ("beta", normal(8, c)), ("weight", normal(9, 9 * c * self.channels))]
    }

    fn forward(&self, shape: [usize; 4], input: &[f64], p: &[Vec<f64>]) -> Vec<f64> {
        let affine = BatchNorm::affine(shape, input, p);
        let bias = vec![0.25; self.channels];
        let op = ConvForward {
            conv: self.op(shape),
            normalized: Some(self.activation),
            by_image: false,
            statistics: false,
        };
        let given: [(&str, &[f64]); 4] =
            [("input", input), ("affine", &affine), ("weight", &p[2]), ("bias", &bias)];
        let [y] = run(op, &given, ["output"]);
        y
    }

    fn backward(
        &self,
        shape: [usize; 4],
        input: &[f64],
        p: &[Vec<f64>],
        grad: &[f64],
    ) -> (Vec<f64>, Vec<Vec<f64>>) {
        let conv = self.op(shape);
        let affine = BatchNorm::affine(shape, input, p);
        let op = ConvGradWeight { normalized: Some(self.activation), ..ConvGradWeight::plain(conv) };
        let given: [(&str, &[f64]); 3] = [("input", input), ("affine", &affine), ("grad_output", grad)];
        let [dw] = run(op, &given, ["grad_weight"]);
        let statistics = Some(GradStatistics { activation: self.activation, accumulate: false });
        let op = ConvGradInput { statistics, ..ConvGradInput::plain(conv) };
        let given: [(&str, &[f64]); 4] =
            [("grad_output", grad), ("weight", &p[2]), ("input", input), ("affine", &affine)];
        let [after, gamma, beta] = run(op, &given, ["grad_input", "grad_gamma", "grad_beta"]);
        let through = through(shape, &affine, &gamma, &beta);
        let norm = BatchNorm(Some(self.activation));
        (norm.grad_input(shape, input, &through, &after), vec![gamma, beta, dw])
    }
}

/// A convolution with its statistics, and pooling that reads through batch norm and an activation; the convolution's
/// gradients are read back through both.
pub struct NormalizedPool {
    pub channels: usize,
    pub activation: Activation,
    pub pool: Pool,
}

impl NormalizedPool {
    fn conv(&self, [n, h, w, c]: [usize; 4], input: &[f64], p: &[Vec<f64>]) -> [Vec<f64>; 2] {
        let conv = Conv { n, h, w, c, k: self.channels };
        let op = ConvForward { conv, normalized: None, by_image: false, statistics: true };
        let bias = vec![-0.5; self.channels];
        let given: [(&str, &[f64]); 3] = [("input", input), ("weight", &p[2]), ("bias", &bias)];
        let [output, mean, variance] = run(op, &given, ["output", "batch_mean", "batch_var"]);
        [output, affine(mean, variance, p)]
    }

    fn inside(&self, [n, h, w, _]: [usize; 4]) -> [usize; 4] {
        [n, h, w, self.channels]
    }
}

impl Middle for NormalizedPool {
    fn output(&self, shape: [usize; 4]) -> [usize; 4] {
        self.pool.output(self.inside(shape))
    }

    fn parameters(&self, [.., c]: [usize; 4]) -> Vec<(&'static str, Vec<f64>)> {
        let k = self.channels;
        vec![("gamma", normal(7, k)), ("beta", normal(8, k)), ("weight", normal(9, 9 * c * k))]
    }

    fn forward(&self, shape: [usize; 4], input: &[f64], p: &[Vec<f64>]) -> Vec<f64> {
        let [x, affine] = self.conv(shape, input, p);
        let op = MaxPoolForward {
            pool: self.pool.op(self.inside(shape)),
            normalized: Some(self.activation),
            by_image: false,
        };
        let [y] = run(op, &[("input", &x), ("affine", &affine)], ["output"]);
        y
    }

    fn backward(
        &self,
        shape: [usize; 4],
        input: &[f64],
        p: &[Vec<f64>],
        grad: &[f64],
    ) -> (Vec<f64>, Vec<Vec<f64>>) {
        let ([x, affine], inside) = (self.conv(shape, input, p), self.inside(shape));
        let pool = self.pool.op(inside);
        let sums = GradStatistics { activation: self.activation, accumulate: false };
        let statistics = pool.disjoint().then_some(sums);
        let op = MaxPoolGrad { pool, normalized: Some(self.activation), by_image: false, statistics };
        let given: [(&str, &[f64]); 3] = [("input", &x), ("affine", &affine), ("grad_output", grad)];
        let (pooled, [back, gamma, beta]) = if statistics.is_some() {
            let [pooled, gamma, beta] = run(op, &given, ["grad_input", "grad_gamma", "grad_beta"]);
            (pooled, [through(inside, &affine, &gamma, &beta), gamma, beta])
        } else {
            let [pooled] = run(op, &given, ["grad_input"]);
            let vectors = BatchNorm(Some(self.activation)).grad_affine(inside, &x, &affine, &pooled);
            (pooled, vectors)
        };
        let read: [(&str, &[f64]); 3] = [("grad_output", &pooled), ("output", &x), ("grad_affine", &back)];
        let conv = Conv { n: shape[0], h: shape[1], w: shape[2], c: shape[3], k: self.channels };
        let op = ConvGradWeight { through: Some(self.activation), ..ConvGradWeight::plain(conv) };
        let [dw] = run(op, &[&[("input", input)], &read[..]].concat(), ["grad_weight"]);
        let op = ConvGradInput { conv, through: Some(self.activation), statistics: None };
        let [dx] = run(op, &[&[("weight", p[2].as_slice())], &read[..]].concat(), ["grad_input"]);
        (dx, vec![gamma, beta, dw])
    }
}
