//! VGG16 with batch norm in Burn, for `scripts/compare`, which says when to take how many steps.
//!
//! The network, the batch and the optimiser are those of `vgg train`: 3x3 convolutions with bias, batch norm, ReLU,
//! pooling whose stride is 1 where the input is at most 3 high, dropout 0.5, Adam. The data file holds
//! `batch * 28 * 28` bytes of images, then `batch` labels. Prints a JSON object once the first step is done; then each
//! line `N` on standard input runs N steps, waits for the device and prints one more.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, stdin},
    time::Instant,
};

use burn::{
    module::Module,
    nn::{
        BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Initializer, Linear, LinearConfig,
        PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
        loss::{CrossEntropyLoss, CrossEntropyLossConfig},
        pool::MaxPool2dConfig,
    },
    optim::{AdamConfig, GradientsParams, ModuleOptimizer},
    tensor::{
        Device, DeviceKind, Int, Tensor, TensorData,
        activation::relu,
        module::interpolate,
        ops::{InterpolateMode, InterpolateOptions},
    },
};
use serde_json::json;

const BLOCKS: [&[usize]; 5] = [&[64, 64], &[128, 128], &[256, 256, 256], &[512, 512, 512], &[512, 512, 512]];
const SOURCE: usize = 28;
const LEARNING_RATE: f64 = 3e-4;

#[derive(Module, Debug)]
struct Vgg {
    convolutions: Vec<Conv2d>,
    norms: Vec<BatchNorm>,
    linears: Vec<Linear>,
    dropout: Dropout,
}

/// Kernel 2; the paper's adaptive stride.
fn pool_stride(height: usize) -> usize {
    if height <= 3 { 1 } else { 2 }
}

impl Vgg {
    fn new(side: usize, width: f64, hidden: usize, device: &Device) -> Self {
        let (mut convolutions, mut norms) = (Vec::new(), Vec::new());
        let (mut channels, mut side) = (1, side);
        for block in BLOCKS {
            for base in block {
                let out = (*base as f64 * width) as usize;
                let convolution = Conv2dConfig::new([channels, out], [3, 3])
                    .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                    .with_initializer(Initializer::KaimingNormal { gain: 2f64.sqrt(), fan_out_only: true });
                convolutions.push(convolution.init(device));
                norms.push(BatchNormConfig::new(out).init(device));
                channels = out;
            }
            side = (side - 2) / pool_stride(side) + 1;
        }
        let normal = Initializer::Normal { mean: 0.0, std: 0.01 };
        let linear = |from, to| LinearConfig::new(from, to).with_initializer(normal.clone()).init(device);
        let linears =
            vec![linear(channels * side * side, hidden), linear(hidden, hidden), linear(hidden, 10)];
        Self { convolutions, norms, linears, dropout: DropoutConfig::new(0.5).init() }
    }

    /// `[N, 1, H, W]` to logits `[N, 10]`.
    fn forward(&self, mut x: Tensor<4>) -> Tensor<2> {
        let mut layers = self.convolutions.iter().zip(&self.norms);
        for block in BLOCKS {
            for (convolution, norm) in layers.by_ref().take(block.len()) {
                x = relu(norm.forward(convolution.forward(x)));
            }
            let stride = pool_stride(x.dims()[2]);
            x = MaxPool2dConfig::new([2, 2]).with_strides([stride, stride]).init().forward(x);
        }
        let mut x: Tensor<2> = x.flatten(1, 3);
        let [hidden @ .., last] = &self.linears[..] else { unreachable!("three linear layers") };
        for linear in hidden {
            x = self.dropout.forward(relu(linear.forward(x)));
        }
        last.forward(x)
    }
}

struct Training {
    model: Option<Vgg>,
    optimizer: ModuleOptimizer,
    criterion: CrossEntropyLoss,
    images: Vec<f32>,
    labels: Vec<i32>,
    side: usize,
    device: Device,
}

impl Training {
    /// One step; the loss stays on the device.
    fn step(&mut self) -> Tensor<1> {
        let (batch, device) = (self.labels.len(), &self.device);
        let images = TensorData::new(self.images.clone(), [batch, 1, SOURCE, SOURCE]);
        let mut images = Tensor::<4>::from_data(images, device);
        if self.side != SOURCE {
            let options = InterpolateOptions::new(InterpolateMode::Bilinear).with_align_corners(false);
            images = interpolate(images, options.with_output_size([self.side, self.side]));
        }
        let images = (images / 255.0 - 0.1307) / 0.3081;
        let labels = Tensor::<1, Int>::from_data(TensorData::new(self.labels.clone(), [batch]), device);
        let model = self.model.take().expect("a model");
        let loss = self.criterion.forward(model.forward(images), labels);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        self.model = Some(self.optimizer.step(LEARNING_RATE, model, gradients));
        loss
    }

    /// Seconds and last loss of `steps` steps.
    fn turn(&mut self, steps: usize) -> (f64, f32) {
        self.device.sync().expect("an idle device");
        let start = Instant::now();
        let mut loss = self.step();
        for _ in 1..steps {
            loss = self.step();
        }
        let loss = loss.into_scalar::<f32>();
        self.device.sync().expect("finished steps");
        (start.elapsed().as_secs_f64(), loss)
    }
}

/// Most resident memory so far; `None` outside Linux.
fn peak_memory_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options: HashMap<&str, &str> = arguments.chunks_exact(2).map(|pair| (&*pair[0], &*pair[1])).collect();
    let text = |name: &str| *options.get(name).unwrap_or_else(|| panic!("{name} is missing"));
    let number = |name: &str| text(name).parse::<f64>().unwrap_or_else(|_| panic!("{name} takes a number"));
    let (batch, side, hidden) =
        (number("--batch") as usize, number("--side") as usize, number("--hidden") as usize);

    let device = match text("--device") {
        #[cfg(feature = "spirv")]
        "vulkan" => Device::vulkan(DeviceKind::DefaultDevice),
        #[cfg(not(feature = "spirv"))]
        "vulkan" => Device::wgpu(DeviceKind::DefaultDevice),
        _ => Device::flex(),
    };
    let name = format!("{device:?}");
    let device = device.autodiff();
    let bytes = fs::read(text("--data")).expect("the data file");
    let (images, labels) = bytes.split_at(batch * SOURCE * SOURCE);
    let model = Vgg::new(side, number("--width"), hidden, &device);
    let parameters = model.num_params();
    let mut training = Training {
        model: Some(model),
        optimizer: AdamConfig::new().with_epsilon(1e-8).init(),
        criterion: CrossEntropyLossConfig::new().init(&device),
        images: images.iter().map(|byte| f32::from(*byte)).collect(),
        labels: labels.iter().map(|label| i32::from(*label)).collect(),
        side,
        device,
    };
    let (seconds, loss) = training.turn(1);
    println!("{}", json!({ "device": name, "parameters": parameters, "seconds": seconds, "loss": loss }));
    for line in stdin().lock().lines() {
        let steps = line.expect("a line").trim().parse().expect("a number of steps");
        let (seconds, loss) = training.turn(steps);
        println!("{}", json!({ "seconds": seconds, "loss": loss, "memory_bytes": peak_memory_bytes() }));
    }
}
