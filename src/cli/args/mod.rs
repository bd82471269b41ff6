//! The command line as it is typed.

mod settings;

use std::path::PathBuf;

use clap::{Args, ValueEnum, builder::PossibleValuesParser};

pub(super) use settings::SettingFlags;

use super::{defaults, predicted::PredictedGpu};
use crate::{data::TestAugmentation, ops::Op, train::SURE, tune::Source};

/// `vgg train`.
#[derive(Debug, Args)]
pub(super) struct Train {
    #[command(flatten)]
    pub(super) recipe: RecipeFlag,
    #[command(flatten)]
    pub(super) device: DeviceFlag,
    #[command(flatten)]
    pub(super) settings: SettingFlags,
    /// Continue an interrupted run bit for bit: a run directory, or its checkpoint.safetensors.
    #[arg(long, value_name = "DIR|FILE", conflicts_with = "recipe")]
    pub(super) resume: Option<PathBuf>,
    /// Train once with each of these seeds, in one directory, for the mean and deviation of the results. The same command with the
    /// same --output-dir continues after an interruption.
    #[arg(long, value_name = "SEED,...", value_delimiter = ',', conflicts_with_all = ["resume", "capture"],
        value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub(super) seeds: Option<Vec<u64>>,
    /// Print one JSON object about the finished run instead of text.
    #[arg(long)]
    pub(super) json: bool,
    /// Write event files for TensorBoard into the run directory: curves, settings, histograms, images, the network.
    #[arg(long)]
    pub(super) tensorboard: bool,
    /// Capture this training step in the graphics debugger that started the program: RenderDoc, or Xcode on macOS.
    /// docs/profiling.md shows how.
    #[arg(long, value_name = "STEP")]
    pub(super) capture: Option<u64>,
    #[command(flatten)]
    pub(super) kernels: KernelFlags,
}

#[derive(Debug, Args)]
pub(super) struct RecipeFlag {
    /// The settings to start from: report (the paper's: 224 px, full width, 10 epochs; default on a hardware
    /// GPU), quick (28 px, quarter width, 3 epochs; default without one), fashion (for Fashion-MNIST, 20 epochs), cifar (for
    /// small colour images, 24 epochs), or a TOML file. A flag takes precedence over it.
    #[arg(long, value_name = "report|quick|fashion|cifar|FILE")]
    pub(super) recipe: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct DeviceFlag {
    /// Where to run: auto (a hardware GPU, else the CPU), cpu, vulkan, metal, dx12, a number from `vgg devices`
    /// or part of a device's name.
    #[arg(long, default_value = defaults::or("device", "auto"), value_name = "DEVICE")]
    pub(super) device: String,
}

/// Which GPU kernels to run with, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Kernels")]
pub(super) struct KernelFlags {
    /// Force a kernel variant, as conv.forward=tiled_64x64; `vgg verify` lists them. May be given again; of several for one
    /// operation, the first that can compute a shape is taken.
    #[arg(long, value_name = "OP=NAME")]
    pub(super) variant: Vec<String>,
    /// Measured choices: auto (the file that `vgg tune` wrote for this device, if there is one), off, or a tuning file.
    #[arg(long, default_value = defaults::or("tuning", "auto"), value_name = "auto|off|FILE")]
    pub(super) tuning: Source,
    /// Split a step into GPU submissions of less than this many milliseconds each, so that no system's watchdog
    /// stops it. The results are the same.
    #[arg(long, default_value_t = 500.0, value_name = "MS", value_parser = milliseconds)]
    pub(super) submit_budget_ms: f64,
    /// Let a Vulkan driver check every buffer access, which is slower on NVIDIA's GPUs. The results are the same.
    #[arg(long)]
    pub(super) robust_buffers: bool,
}

fn milliseconds(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|error| format!("{error}"))?;
    // A day is more than any watchdog grants.
    (value > 0.0 && value <= 86.4e6).then_some(value).ok_or_else(|| "give milliseconds above 0".to_owned())
}

/// `vgg eval`.
#[derive(Debug, Args)]
pub(super) struct Eval {
    #[command(flatten)]
    pub(super) weights: WeightsFlag,
    #[command(flatten)]
    pub(super) device: DeviceFlag,
    #[arg(long, default_value = defaults::or("data", "mnist"), value_name = "SET", help = settings::help("data"))]
    pub(super) data: String,
    #[arg(long, help = settings::help("skip_corrupt"))]
    pub(super) skip_corrupt: bool,
    /// Images a step.
    #[arg(short, long, default_value_t = 64, value_name = "IMAGES", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) batch_size: u32,
    /// The picture of the confusion matrix. Unset, confusion.svg next to the weights, or in the current folder
    /// for those inside the program.
    #[arg(long, value_name = "FILE")]
    pub(super) confusion: Option<PathBuf>,
    /// Average the probabilities of each image over variants of it: flip (its mirror image), shift (moved by a pixel, both ways), or
    /// flip,shift.
    #[arg(long, value_name = "flip|shift")]
    pub(super) tta: Option<TestAugmentation>,
    /// Find the temperature of the probabilities on these images, and write it into the file of --weights.
    #[arg(long, requires = "weights", conflicts_with = "tta")]
    pub(super) calibrate: bool,
    /// Print one JSON object instead of text, and write no picture unless --confusion names one.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) kernels: KernelFlags,
}

#[derive(Debug, Args)]
pub(super) struct WeightsFlag {
    /// Weights of a trained network: best.safetensors or checkpoint.safetensors of a run, or torchvision's or timm's as
    /// safetensors. Unset, those inside the program, trained by the quick recipe. eval and predict also take a file of vgg quantize.
    #[arg(long, value_name = "FILE")]
    pub(super) weights: Option<PathBuf>,
    /// Side of the network's input, for weights that do not record it; if they do, it must be the same.
    #[arg(long, value_name = "PIXELS")]
    pub(super) image_size: Option<usize>,
}

/// `vgg predict`.
#[derive(Debug, Args)]
pub(super) struct Predict {
    #[command(flatten)]
    pub(super) weights: WeightsFlag,
    #[command(flatten)]
    pub(super) device: DeviceFlag,
    /// The pictures: files, folders (every PNG and JPEG in them), or - for standard input.
    #[arg(required = true, value_name = "IMAGE|DIR|-")]
    pub(super) images: Vec<PathBuf>,
    /// Print JSON: for each picture its digits, with their places and the probabilities of all classes.
    #[arg(long, conflicts_with = "csv")]
    pub(super) json: bool,
    /// Print CSV: a line for each digit, with its place and the probabilities of all classes.
    #[arg(long)]
    pub(super) csv: bool,
    /// Average the probabilities over variants of each picture: flip (its mirror image), shift (moved by a pixel, both ways), or
    /// flip,shift.
    #[arg(long, value_name = "flip|shift")]
    pub(super) tta: Option<TestAugmentation>,
    /// How many classes to name for each picture.
    #[arg(long, default_value_t = 3, value_name = "K", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) top: u16,
    /// The lowest probability of an answer; below it the answer is "not sure", with the most probable classes. 0: always sure.
    #[arg(long, default_value_t = SURE, value_name = "P", value_parser = probability)]
    pub(super) sure: f32,
    /// Ink and paper: auto detects them.
    #[arg(long, value_enum, default_value_t = InkFlag::Auto)]
    pub(super) ink: InkFlag,
    #[command(flatten)]
    pub(super) kernels: KernelFlags,
}

fn probability(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("a number from 0 to 1 is needed".to_owned()),
    }
}

/// Whether a picture's digit is darker or lighter than its paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum InkFlag {
    /// Detect it from the picture.
    Auto,
    /// Dark ink on light paper, as scans and photographs are.
    Dark,
    /// Light ink on dark paper, as MNIST is.
    Light,
}

/// `vgg summary`.
#[derive(Debug, Args)]
pub(super) struct Summary {
    #[command(flatten)]
    pub(super) recipe: RecipeFlag,
    #[command(flatten)]
    pub(super) settings: SettingFlags,
    /// Channels of the input: 1 or 3. Unset, those of the data set.
    #[arg(long)]
    pub(super) channels: Option<usize>,
    /// Classes. Unset, those of the data set.
    #[arg(long)]
    pub(super) classes: Option<usize>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(super) json: bool,
}

/// `vgg plan`.
#[derive(Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    pub(super) recipe: RecipeFlag,
    #[command(flatten)]
    pub(super) device: DeviceFlag,
    #[command(flatten)]
    pub(super) settings: SettingFlags,
    /// Memory that the training may use, in GiB; unset, that of the device or the machine, if known.
    #[arg(long, value_name = "GIB")]
    pub(super) memory: Option<f64>,
    /// Predict the time of a training step on a GPU that is not at hand, layer by layer, from a model that no measurement has confirmed yet.
    #[arg(long, value_enum, value_name = "GPU", conflicts_with_all = ["device", "memory", "tuning", "submit_budget_ms", "robust_buffers"])]
    pub(super) predict: Option<PredictedGpu>,
    /// List every tensor, not only the largest; with --predict, every pass.
    #[arg(long)]
    pub(super) all: bool,
    /// Print one JSON object instead of text, with every tensor.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) kernels: KernelFlags,
}

/// `vgg tune`.
#[derive(Debug, Args)]
pub(super) struct Tune {
    #[command(flatten)]
    pub(super) recipe: RecipeFlag,
    #[command(flatten)]
    pub(super) device: GpuFlag,
    #[command(flatten)]
    pub(super) settings: SettingFlags,
    /// Only this operation; may be given again.
    #[arg(long, value_name = "OP", value_parser = PossibleValuesParser::new(Op::NAMES))]
    pub(super) op: Vec<String>,
    /// Seconds of timing for each operation and shape; checking and compiling come on top.
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS", value_parser = seconds)]
    pub(super) seconds: f64,
    /// Where to write the result: auto (the device's file in the user's cache folder), or a file.
    #[arg(long, default_value = "auto", value_name = "auto|FILE")]
    pub(super) tuning: Source,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0 to 3600 is needed".to_owned()),
    }
}

/// `vgg verify`.
#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    pub(super) device: GpuFlag,
    /// Only this operation; may be given again.
    #[arg(long, value_name = "OP", value_parser = PossibleValuesParser::new(Op::NAMES))]
    pub(super) op: Vec<String>,
    /// Only this variant, as conv.forward=tiled_64x64; may be given again.
    #[arg(long, value_name = "OP=NAME")]
    pub(super) variant: Vec<String>,
    /// A few small shapes of each variant instead of all.
    #[arg(long)]
    pub(super) quick: bool,
}

/// `vgg kernels`.
#[derive(Debug, Args)]
pub(super) struct Kernels {
    #[command(flatten)]
    pub(super) recipe: RecipeFlag,
    #[command(flatten)]
    pub(super) device: PlannedGpuFlag,
    #[command(flatten)]
    pub(super) settings: SettingFlags,
    /// Only this operation; may be given again.
    #[arg(long, value_name = "OP", value_parser = PossibleValuesParser::new(Op::NAMES))]
    pub(super) op: Vec<String>,
    /// Print the shaders of this variant, as conv.forward=tiled_128x64, for the first layer that it can compute; or all
    /// shaders that the training runs.
    #[arg(long, value_name = "OP=NAME|all")]
    pub(super) print: Option<String>,
    /// Print the list as one JSON object instead of text.
    #[arg(long, conflicts_with = "print")]
    pub(super) json: bool,
    /// What --print writes.
    #[arg(long, value_enum, default_value_t = Format::Wgsl, requires = "print")]
    pub(super) format: Format,
    /// Write a file for each shader into this folder instead of printing.
    #[arg(short, long, value_name = "FOLDER", requires = "print")]
    pub(super) output: Option<PathBuf>,
}

/// The format of `--print`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// The assembled WGSL, with the file of each fragment.
    Wgsl,
    /// SPIR-V for Vulkan drivers: binary, so only with --output.
    Spirv,
    /// The Metal Shading Language.
    Msl,
    /// HLSL for Direct3D 12.
    Hlsl,
}

impl Format {
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Wgsl => "wgsl",
            Self::Spirv => "spv",
            Self::Msl => "metal",
            Self::Hlsl => "hlsl",
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct PlannedGpuFlag {
    /// Which GPU: auto (the first that `vgg devices` lists), vulkan, metal, dx12, a number or part of a name; or discrete:
    /// a typical discrete GPU, which need not be present.
    #[arg(long, default_value = defaults::gpu(), value_name = "DEVICE")]
    pub(super) device: String,
}

#[derive(Debug, Args)]
pub(super) struct GpuFlag {
    /// Which GPU: auto (the first that `vgg devices` lists, a software adapter if there is no other), vulkan,
    /// metal, dx12, a number or part of a name.
    #[arg(long, default_value = defaults::gpu(), value_name = "DEVICE")]
    pub(super) device: String,
    /// Let a Vulkan driver check every buffer access, as `vgg train --robust-buffers` does.
    #[arg(long)]
    pub(super) robust_buffers: bool,
}

/// `vgg bench`.
#[derive(Debug, Args)]
pub(super) struct Bench {
    #[command(flatten)]
    pub(super) recipe: RecipeFlag,
    #[command(flatten)]
    pub(super) device: DeviceFlag,
    #[command(flatten)]
    pub(super) settings: SettingFlags,
    /// Measure the classification of batches instead of training steps, from upload to answers: of --weights FILE, which may be quantised, or
    /// of a new network.
    #[arg(long, conflicts_with = "baseline")]
    pub(super) inference: bool,
    /// Warm-up steps before the measured ones; at least 3.
    #[arg(long, default_value_t = 5, value_name = "STEPS")]
    pub(super) warmup: u32,
    /// Compare with an earlier result: what `vgg bench --json` printed.
    #[arg(long, value_name = "FILE")]
    pub(super) baseline: Option<PathBuf>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) kernels: KernelFlags,
}

/// `vgg profile`.
#[derive(Debug, Args)]
pub(super) struct Profile {
    #[command(flatten)]
    pub(super) recipe: RecipeFlag,
    #[command(flatten)]
    pub(super) device: DeviceFlag,
    #[command(flatten)]
    pub(super) settings: SettingFlags,
    /// Warm-up steps before the measured ones.
    #[arg(long, default_value_t = 2, value_name = "STEPS")]
    pub(super) warmup: u32,
    /// List every dispatch, not only those that take at least half a percent of the step.
    #[arg(long)]
    pub(super) all: bool,
    /// Write the last step as a trace for ui.perfetto.dev or chrome://tracing.
    #[arg(long, value_name = "FILE")]
    pub(super) trace: Option<PathBuf>,
    /// Draw the layers under the device's roofline, and where the time goes: an SVG picture.
    #[arg(long, value_name = "FILE")]
    pub(super) picture: Option<PathBuf>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) kernels: KernelFlags,
}
