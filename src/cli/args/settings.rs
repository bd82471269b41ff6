//! The flags over a recipe's keys.

use clap::{Args, ValueEnum, builder::PossibleValuesParser};
use serde::Serialize;

use crate::model::Architecture;

/// Overrides of a recipe's keys; a flag that is absent leaves the recipe's value.
#[derive(Debug, Args, Serialize)]
#[command(next_help_heading = "Settings (each overrides the recipe's)")]
pub(in crate::cli) struct SettingFlags {
    /// Data set: mnist (built in), or mnist, fashion-mnist, emnist, idx, cifar10, cifar100 or folder with `:DIR` behind;
    /// a folder has pictures in DIR/train/CLASS/ and DIR/val/CLASS/.
    #[arg(long, value_name = "SET")]
    data: Option<String>,
    /// Which VGG.
    #[arg(long, value_parser = PossibleValuesParser::new(Architecture::all().map(Architecture::name)))]
    model: Option<String>,
    /// Side of the network's input in pixels; the images are resized to it. At least 24, or 32 with --pool-stride fixed.
    #[arg(long, value_name = "PIXELS")]
    image_size: Option<u32>,
    /// Factor on the width of every layer; 1 is the paper's.
    #[arg(long, value_name = "FACTOR")]
    width: Option<f64>,
    /// Features of the two hidden linear layers; unset they scale with the width from 4096.
    #[arg(long, value_name = "FEATURES")]
    hidden: Option<u32>,
    /// Dropout rate of the classifier.
    #[arg(long, value_name = "RATE")]
    dropout: Option<f64>,
    /// Activation after each convolution and each hidden linear layer.
    #[arg(long, value_enum)]
    activation: Option<ActivationFlag>,
    /// Slope of --activation leaky_relu at and below 0; unset, 0.01.
    #[arg(long, value_name = "SLOPE")]
    negative_slope: Option<f64>,
    /// Whose rule decides where the paper's code and PyTorch differ.
    #[arg(long, value_enum)]
    semantics: Option<SemanticsFlag>,
    /// Stride of the pooling layers.
    #[arg(long, value_enum)]
    pool_stride: Option<PoolStrideFlag>,
    /// Side of the image that adaptive average pooling gives the classifier; 0 leaves the layer out, 7 is
    /// torchvision's.
    #[arg(long, value_name = "PIXELS")]
    avgpool: Option<u32>,
    /// Begin with the weights of this file (fine-tuning): torchvision's or timm's as safetensors, or a run's. Weights for
    /// three channels are summed for one; where the classes are others in number the last layer begins anew.
    #[arg(long, value_name = "FILE")]
    weights: Option<String>,
    /// Whose mean and standard deviation images are normalised with where a run begins with --weights: those that the
    /// weights were trained with (the file's; for torchvision's and timm's, which name none, ImageNet's), or the data's.
    #[arg(long, value_enum)]
    normalize_by: Option<NormalizeByFlag>,
    /// Layers that stay as --weights has them.
    #[arg(long, value_enum)]
    freeze: Option<FreezeFlag>,
    /// Passes over the training images.
    #[arg(long)]
    epochs: Option<u32>,
    /// Images a step.
    #[arg(short, long, value_name = "IMAGES")]
    batch_size: Option<u32>,
    /// End the run after this many optimiser steps in all.
    #[arg(long)]
    steps: Option<u64>,
    /// Optimiser: adam, adamw (weight decay apart from the gradient), sgd (with --momentum), lion (a third to a tenth of
    /// Adam's --lr).
    #[arg(long, value_enum)]
    opt: Option<OptimizerFlag>,
    /// Learning rate.
    #[arg(long, value_name = "RATE")]
    lr: Option<f64>,
    /// Weight decay, on every parameter.
    #[arg(long, value_name = "FACTOR")]
    weight_decay: Option<f64>,
    /// Decay of the first moment of adam and adamw; for lion, the momentum's weight in the direction of a step.
    #[arg(long, value_name = "FACTOR")]
    beta1: Option<f64>,
    /// Decay of the second moment of adam and adamw, of the momentum of lion; unset, 0.99 for --opt lion.
    #[arg(long, value_name = "FACTOR")]
    beta2: Option<f64>,
    /// Momentum of --opt sgd; unset, 0.9.
    #[arg(long, value_name = "FACTOR")]
    momentum: Option<f64>,
    /// Nesterov's momentum for --opt sgd.
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    nesterov: Option<bool>,
    /// What activations and their gradients are stored as: f32, or mixed (f16 with f32 sums, weights and update; half the
    /// memory; needs a GPU with 16-bit floats).
    #[arg(long, value_enum)]
    precision: Option<PrecisionFlag>,
    /// How the learning rate changes: constant, step (by --lr-gamma every --lr-step-size epochs), multistep (by --lr-gamma
    /// at each of --lr-milestones), cosine.
    #[arg(long, value_enum)]
    lr_scheduler: Option<SchedulerFlag>,
    /// Epochs between two steps of the step schedule.
    #[arg(long, value_name = "EPOCHS")]
    lr_step_size: Option<u32>,
    /// Epochs after which the multistep schedule falls, as 30,60,80.
    #[arg(long, value_name = "EPOCH,...", value_delimiter = ',')]
    lr_milestones: Option<Vec<u32>>,
    /// Factor of each fall of the step and multistep schedules.
    #[arg(long, value_name = "FACTOR")]
    lr_gamma: Option<f64>,
    /// Epochs of linear warm-up; may be a fraction.
    #[arg(long, value_name = "EPOCHS")]
    lr_warmup_epochs: Option<f64>,
    /// Spread this part of each training image's target evenly over all classes. The test loss is without.
    #[arg(long, value_name = "FRACTION")]
    label_smoothing: Option<f64>,
    /// Scale gradients down so that the norm of all together does not exceed this.
    #[arg(long, value_name = "NORM")]
    clip_grad_norm: Option<f64>,
    /// Average the weights over the steps; evaluations and best.safetensors are those of the average.
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    model_ema: Option<bool>,
    /// The decay of that average; unset, 0.999. Step t has at most (1 + t) / (10 + t).
    #[arg(long, value_name = "DECAY")]
    model_ema_decay: Option<f64>,
    /// End the run after this many epochs without a higher test accuracy.
    #[arg(long, value_name = "EPOCHS")]
    patience: Option<u32>,
    /// Rotate training images by up to this many degrees either way.
    #[arg(long, value_name = "DEGREES")]
    rotate: Option<f64>,
    /// Move training images by up to this fraction of their side along both axes.
    #[arg(long, value_name = "FRACTION")]
    translate: Option<f64>,
    /// Show random parts of training images, 8 to 100 % of their area, at full size.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    random_resized_crop: Option<bool>,
    /// Mirror every second training image, at random.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    hflip: Option<bool>,
    /// Move training images by up to this many whole pixels along both axes (CIFAR: 4).
    #[arg(long, value_name = "PIXELS")]
    random_crop: Option<u32>,
    /// Image folders: resize the shorter side to this before the input is cut from the centre (ImageNet: 256).
    #[arg(long, value_name = "PIXELS")]
    resize_size: Option<u32>,
    /// Image folders: leave damaged files out instead of refusing them.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    skip_corrupt: Option<bool>,
    /// Seed of the initial weights, the shuffling, the dropout and the augmentation.
    #[arg(long)]
    seed: Option<u64>,
    /// Where the run's files go; unset, a new folder under runs/.
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) output_dir: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
enum ActivationFlag {
    Relu,
    LeakyRelu,
    Gelu,
    Silu,
}

#[derive(Clone, Copy, Debug, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum SemanticsFlag {
    /// Biased running variance; slope 1/2 for the ReLU at exactly 0.
    Paper,
    /// Unbiased running variance; slope 0.
    Pytorch,
}

#[derive(Clone, Copy, Debug, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum NormalizeByFlag {
    Weights,
    Data,
}

#[derive(Clone, Copy, Debug, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum FreezeFlag {
    /// All layers are trained.
    None,
    /// Everything in front of the classifier stays; its batch norms use their running statistics.
    Features,
}

#[derive(Clone, Copy, Debug, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum PoolStrideFlag {
    /// 2, but 1 along a side of at most 3 pixels: the paper's.
    Adaptive,
    /// Always 2: torchvision's.
    Fixed,
}

#[derive(Clone, Copy, Debug, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum OptimizerFlag {
    Adam,
    Adamw,
    Sgd,
    Lion,
}

#[derive(Clone, Copy, Debug, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum PrecisionFlag {
    F32,
    Mixed,
}

#[derive(Clone, Copy, Debug, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum SchedulerFlag {
    Constant,
    Step,
    Multistep,
    Cosine,
}
