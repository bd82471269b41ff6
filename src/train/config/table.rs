//! The settings: one entry each, from which its flag, recipe key, help, errors and documents are made.
//!
//! An entry is `key: type = default`, with its documentation before it, and any of these in this order:
//!
//! - `unset "..."`: the meaning of `None`;
//! - `value "PIXELS"`: the placeholder of the value in help;
//! - `short 'b'`: a flag of one letter;
//! - `also "..."`: other names that users try, for which errors suggest the key;
//! - `values ...`: the values in words, where other code checks them;
//! - `in LOW to HIGH`: the range, both ends included;
//! - `must "..." |c| ...`: another condition, after "must be";
//! - `only_with "--flag VALUE" |c| ...`: the condition without which it has no effect. Such a value is refused; if other flags left
//!   it without effect, it is unset;
//! - `idle_without "--flag VALUE" |c| ...`: likewise, but only a flag is refused, and a recipe may have the value;
//! - `because "..."` after one of these two: why, in place of "KEY is VALUE";
//! - `falls |c| ...`: the epochs after which the learning rate first falls by it; a flag is refused if the run is over then.
//!
//! In the documentation a key in backticks becomes a flag in help. After a change, `VGG_WRITE_SETTINGS=1 cargo test --release --lib
//! train::config` rewrites docs/settings.md and assets/recipes/report.toml.

use serde::{Deserialize, Serialize};
use toml::Value;

use super::{
    choices::{LrScheduler, NormalizeBy, Optimizer, PaddingMode, SparsitySchedule},
    points::Points,
    setting::{Limit, Need, Setting, optional, settings, within},
};
use crate::{
    data::DataSource,
    model::{ActivationKind, Architecture, Freeze, Norm, PoolStride, Semantics, Widths},
    program::Precision,
};

settings! {
    Data {
        /// The data set; a folder has pictures in `DIR/train/CLASS/` and `DIR/val/CLASS/`.
        data: String = "mnist".into(), value "SET", values DataSource::forms();
        /// The shorter side of each picture is resized to this many pixels before the centre of `image_size` is cut out; ImageNet's
        /// usual value for 224 px is 256.
        resize_size: Option<usize> = None, unset "`image_size`, which leaves the largest square", value "PIXELS",
            must "image_size to 16384" |c| c.resize_size.is_none_or(|size| (c.image_size..=16_384).contains(&size)),
            only_with "--data folder:DIR" |c| c.has_pictures();
        /// Fraction of each class's training images that is not trained on: the best epoch is chosen by these validation images, and the test
        /// images are evaluated once, with its weights.
        val_fraction: f64 = 0.0, value "FRACTION", must "at least 0, below 1" |c| (0.0..1.0).contains(&c.val_fraction);
        /// Damaged pictures of a folder are left out and named, instead of being an error.
        skip_corrupt: bool = false, idle_without "--data folder:DIR" |c| c.has_pictures();
    }

    Augmentation {
        /// Training images are rotated at random by up to this many degrees either way; the paper's bonus experiment has 10.
        rotate: f64 = 0.0, value "DEGREES", in 0.0 to 180.0;
        /// Training images are moved at random by up to this fraction of their side along both axes; the paper's bonus experiment has
        /// 0.05.
        translate: f64 = 0.0, value "FRACTION", in 0.0 to 1.0;
        /// Training images are random parts of the originals, 8 to 100 % of the area at an aspect ratio of 3:4 to 4:3, resized to the
        /// whole; the usual choice for ImageNet.
        random_resized_crop: bool = false;
        /// Every second training image, chosen at random, is mirrored left to right.
        hflip: bool = false;
        /// Training images are moved at random by up to this many whole pixels along both axes, and `padding_mode` fills the gap; CIFAR's
        /// usual value is 4.
        random_crop: u32 = 0, value "PIXELS", in 0 to 4096;
        /// What fills the gap where training images are moved or rotated: `constant` (black) or `reflect` (their mirror image).
        padding_mode: PaddingMode = PaddingMode::Constant,
            idle_without "--random-crop, --rotate, --translate or --rand-augment above 0"
                |c| c.random_crop > 0 || c.rotate > 0.0 || c.translate > 0.0 || c.rand_augment > 0,
            because "no image is moved";
        /// RandAugment: this many random operations on every training image, of torchvision's fourteen (rotation, shear, translation,
        /// brightness, colour, contrast, sharpness, fewer bits, inverted highlights, stretched or even histograms, nothing); 2 is usual.
        rand_augment: u32 = 0, value "OPERATIONS", also "randaugment" "auto_augment", in 0 to 16;
        /// The strength of RandAugment's operations.
        rand_augment_magnitude: u32 = 9, value "MAGNITUDE", in 0 to 30,
            idle_without "--rand-augment above 0" |c| c.rand_augment > 0;
        /// The probability that a random rectangle of a training image, 2 to 33 % of its area, is replaced by the mean.
        random_erase: f64 = 0.0, value "PROBABILITY", in 0.0 to 1.0;
        /// Side of a square at a random place of every training image that is replaced by the mean; it may lie partly outside.
        cutout: u32 = 0, value "PIXELS", in 0 to 4096,
            must "0 with random_erase" |c| c.cutout == 0 || c.random_erase == 0.0;
        /// Training images are sums of two images of a batch, with shares of the beta distribution with this parameter; so are their
        /// targets. 0.2 is usual.
        mixup_alpha: f64 = 0.0, value "ALPHA", also "mixup", in 0.0 to 8.0;
        /// In training images a random rectangle is that of another image of the batch, which has the same share of the target; its area is
        /// 1 minus a number of the beta distribution with this parameter. 1 is usual. With `mixup_alpha`, each image has one of both.
        cutmix_alpha: f64 = 0.0, value "ALPHA", also "cutmix", in 0.0 to 8.0;
    }

    Network {
        /// Which VGG; `_bn` has batch norm after each convolution.
        model: Architecture = Architecture::Vgg16Bn;
        /// Normalisation after each convolution: `batch`; `layer` (of each image, over all its values); `group:G` (of each image, in G
        /// groups of channels); `layer2d` (of each pixel, over its channels, as in ConvNeXt); `none`.
        norm: Option<Norm> = None, unset "`batch` for a model with `_bn`, else `none`", value "NORM", values Norm::WORDS;
        /// Side of the network's input, to which images are resized.
        image_size: usize = 224, value "PIXELS", values "24 (32 with --pool-stride fixed) to 4096";
        /// Factor on the width of every layer, which is then rounded to a multiple of 8; 1 is the paper's.
        width: f64 = 1.0, value "FACTOR", values "above 0, at most 8";
        /// Output channels of each convolution, with an M for each pooling layer, instead of the model's times `width`; pruned networks
        /// have such a list.
        widths: Option<Widths> = None, unset "the model's times `width`", value "LIST", values Widths::FORM;
        /// Features of the two hidden linear layers; 0 leaves both out, so that one linear layer follows the convolutions.
        hidden: Option<usize> = None, unset "4096 times `width`", value "FEATURES", values "0 to 65536";
        /// Dropout rate after the two hidden linear layers.
        dropout: f64 = 0.5, value "RATE", values "at least 0, below 1",
            idle_without "--hidden above 0" |c| c.hidden != Some(0), because "there is no hidden layer";
        /// Activation after each convolution and each hidden linear layer.
        activation: ActivationKind = ActivationKind::Relu;
        /// Slope of a leaky ReLU at and below 0.
        negative_slope: f64 = 0.01, value "SLOPE", in 0.0 to 1.0,
            idle_without "--activation leaky_relu" |c| c.activation == ActivationKind::LeakyRelu;
        /// Alpha of a CELU, whose values are above -alpha.
        celu_alpha: f64 = 1.0, value "ALPHA", in 0.001 to 100.0,
            idle_without "--activation celu" |c| c.activation == ActivationKind::Celu;
        /// Factor on the logits in softmax and loss, in training and after it. Fast recipes for CIFAR-10 have about 1/8, without which large logits of an
        /// untrained network slow the start. Exported files have it in the last layer's weights.
        logit_scale: f64 = 1.0, value "FACTOR", in 0.001 to 1000.0;
        /// Whose rule decides where the paper's code and PyTorch differ: `paper` (biased running variance, slope 1/2 of the ReLU at
        /// exactly 0) or `pytorch` (unbiased running variance, slope 0).
        semantics: Semantics = Semantics::Paper;
        /// Stride of the pooling layers: `adaptive` (2, but 1 along a side of at most 3 pixels, the paper's rule) or `fixed` (always 2,
        /// as in torchvision).
        pool_stride: PoolStride = PoolStride::Adaptive;
        /// Side of the image that adaptive average pooling passes to the classifier; 0 leaves the layer out, torchvision's networks
        /// have 7.
        avgpool: usize = 0, value "PIXELS", values "0 to 64";
    }

    Training {
        /// A file of weights to start from (fine-tuning): torchvision's or timm's as safetensors, or those of a run. Weights for
        /// three channels are summed for grey images; if the number of classes differs, the last layer is reinitialised.
        weights: Option<String> = None, unset "random weights from `seed`", value "FILE";
        /// Starts from random weights after all: of `weights`, only the shape (a pruned network's widths) is checked and the normalisation
        /// is used.
        from_scratch: bool = false,
            must "false with --freeze features, which would keep random weights" |c| !c.from_scratch || c.freeze == Freeze::None,
            only_with "--weights FILE" |c| c.weights.is_some(), because "the run begins with random weights anyway";
        /// Whose mean and standard deviation normalise the images: `weights` (those that the weights were trained with: the file's, or
        /// ImageNet's for torchvision's and timm's files, which name none; averaged over the channels for grey images) or `data` (the
        /// data set's).
        normalize_by: NormalizeBy = NormalizeBy::Weights,
            idle_without "--weights FILE" |c| c.weights.is_some(), because "the run begins with no weights";
        /// Layers that keep the weights of the file: `none`, or `features` (everything before the classifier; its batch norms use
        /// their running statistics).
        freeze: Freeze = Freeze::None,
            only_with "--weights FILE" |c| c.weights.is_some(), because "without weights they would stay random";
        /// Quantisation-aware training: weights and activations are rounded as `vgg quantize` does it, and gradients pass straight through.
        /// Batch norms of `weights` are folded into their convolutions first; a network without weights has none. The ranges of
        /// activations follow the first epoch, then stay. Needs ReLU, and no `norm`.
        qat: bool = false, must "false with a norm (none is left after folding) or an activation other than relu"
            |c| !c.qat || c.activation == ActivationKind::Relu && c.norm.is_none_or(|norm| norm == Norm::None);
        /// Images in each batch, which is one optimiser step unless `grad_accum_steps` is more than 1.
        batch_size: usize = 64, value "IMAGES", short 'b', also "batch", in 1 to 65_536;
        /// Batches whose gradients are averaged for one optimiser step, in the memory of one batch. Each batch is normalised by its own
        /// statistics; the last step of an epoch has the batches that are left.
        grad_accum_steps: u32 = 1, value "BATCHES", also "gradient_accumulation_steps" "accumulate", in 1 to 65_536;
        /// Passes over the training images.
        epochs: u32 = 10, in 1 to 100_000;
        /// Ends the run after this many optimiser steps in all; the schedule of the learning rate stays that of all epochs.
        steps: Option<u64> = None, unset "the end of the last epoch", in 1 to 4_294_967_295;
        /// Writes a checkpoint after every this many steps too.
        checkpoint_steps: Option<u64> = None, unset "only at the end of each epoch", value "STEPS", in 1 to 4_294_967_295;
        /// Ends the run after this many epochs without a higher test accuracy.
        patience: Option<u32> = None, unset "never", value "EPOCHS", also "early_stopping", in 1 to 100_000;
        /// What activations and their gradients are stored as: `f32`, or `mixed` (f16 with f32 sums, f32 weights and a scaled loss;
        /// half the memory of activations; needs a GPU with 16-bit floats).
        precision: Precision = Precision::F32;
        /// The fraction of each training image's target that is spread evenly over all classes. The training loss includes it, the
        /// test loss does not.
        label_smoothing: f64 = 0.0, value "FRACTION", also "smoothing",
            must "at least 0, below 1" |c| (0.0..1.0).contains(&c.label_smoothing);
        /// Scales all gradients down where their common norm exceeds this.
        clip_grad_norm: Option<f64> = None, unset "no limit", value "NORM", in 1e-12 to 1e12;
        /// Averages weights and running statistics over the steps; evaluations and best.safetensors are those of the average.
        model_ema: bool = false, also "ema";
        /// Decay of the average of `model_ema`. In step t it is at most (1 + t) / (10 + t), so that short runs forget their random start.
        model_ema_decay: Option<f64> = None, unset "0.999", value "DECAY", in 0.0 to 0.999_999_9,
            only_with "--model-ema" |c| c.model_ema;
    }

    Optimiser {
        /// The optimiser: `adam`, `adamw` (Adam with decoupled weight decay), `sgd` (with momentum) or `lion` (whose `lr` is a third to a
        /// tenth of Adam's).
        opt: Optimizer = Optimizer::Adam, also "optimizer";
        /// Learning rate.
        lr: f64 = 1e-3, value "RATE", also "learning_rate", in 1e-12 to 100.0;
        /// Weight decay on every parameter, biases and those of norms included unless `bias_weight_decay` and `norm_weight_decay` say
        /// otherwise (as in torchvision's script): an L2 penalty added to the gradient, or for `adamw` and `lion` decoupled from it and multiplied by the learning rate.
        weight_decay: f64 = 0.0, value "FACTOR", in 0.0 to 1.0;
        /// `weight_decay` of the gamma and beta of norms; 0 is usual.
        norm_weight_decay: Option<f64> = None, unset "`weight_decay`", value "FACTOR", in 0.0 to 1.0,
            idle_without "--norm batch" |c| c.vgg(1, 10).norm() != Norm::None, because "the network has no norm";
        /// `weight_decay` of the biases of convolutions and linear layers; 0 is usual.
        bias_weight_decay: Option<f64> = None, unset "`weight_decay`", value "FACTOR", in 0.0 to 1.0;
        /// Factor of an L1 penalty on the gamma of batch norm, which drives that of unimportant channels towards 0 (network
        /// slimming); 1e-4 is usual before pruning.
        bn_l1: f64 = 0.0, value "FACTOR", in 0.0 to 1.0,
            idle_without "--norm batch" |c| c.vgg(1, 10).norm() == Norm::Batch, because "the network has no batch norm",
            idle_without "--freeze none" |c| c.freeze == Freeze::None, because "its batch norms are frozen";
        /// Share of the weights of each convolution and linear layer that become and stay 0: those with the smallest absolute values.
        /// The best epoch is then one with this share.
        sparsity: f64 = 0.0, value "SHARE", must "at least 0, below 1" |c| (0.0..1.0).contains(&c.sparsity);
        /// How the share of zeros grows: `cubic` (in steps of 100 along 1 - (1 - t)^3 over the first three quarters of all steps; Zhu
        /// and Gupta 2017) or `constant` (all at once before the first step; for `weights`).
        sparsity_schedule: SparsitySchedule = SparsitySchedule::Cubic,
            idle_without "--sparsity above 0" |c| c.sparsity > 0.0;
        /// Decay of the velocity; 0 is plain gradient descent.
        momentum: Option<f64> = None, unset "0.9", value "FACTOR", in 0.0 to 0.999_999_9,
            only_with "--opt sgd" |c| c.opt == Optimizer::Sgd;
        /// Looks ahead along the velocity (Nesterov's momentum).
        nesterov: bool = false,
            only_with "--opt sgd" |c| c.opt == Optimizer::Sgd,
            only_with "--momentum above 0" |c| c.momentum != Some(0.0);
        /// Decay of the first moment of `adam` and `adamw`; for `lion`, the weight of the momentum in the direction of a step.
        beta1: f64 = 0.9, value "FACTOR", in 0.0 to 0.999_999_9,
            idle_without "--opt adam, adamw or lion" |c| c.opt != Optimizer::Sgd;
        /// Decay of the second moment of `adam` and `adamw`, or of the momentum of `lion`.
        beta2: Option<f64> = None, unset "0.999, or 0.99 for `lion`", value "FACTOR", in 0.0 to 0.999_999_9,
            idle_without "--opt adam, adamw or lion" |c| c.opt != Optimizer::Sgd;
        /// Added to the denominator of a step.
        eps: f64 = 1e-8, value "NUMBER", in 1e-30 to 1.0,
            idle_without "--opt adam or adamw" |c| matches!(c.opt, Optimizer::Adam | Optimizer::Adamw);
    }

    Schedule {
        /// How the learning rate changes: `constant`, `step` (times `lr_gamma` every `lr_step_size` epochs; the paper's bonus experiment),
        /// `multistep` (times `lr_gamma` at each of `lr_milestones`), `cosine` (to 0 along half a cosine over all epochs, step by step),
        /// `exponential` (times `lr_gamma` after every epoch), `polynomial` (to 0 over all epochs as the `lr_power`-th power of what is
        /// left), `restarts` (cosines of `lr_restart_epochs`, each `lr_restart_factor` times as long as the one before), `onecycle` (up from
        /// a 25th over the fraction `lr_rise` of all steps, then down to almost 0), `piecewise` (linear between `lr_points`), `wsd` (constant,
        /// then linearly to 0 over the last `lr_decay_epochs`) or `plateau` (times `lr_gamma` when the test loss has not fallen for more than
        /// `lr_patience` epochs).
        lr_scheduler: LrScheduler = LrScheduler::Constant, also "scheduler";
        /// Epochs between two falls of the learning rate.
        lr_step_size: u32 = 2, value "EPOCHS", also "step_size", in 1 to 100_000,
            idle_without "--lr-scheduler step" |c| c.lr_scheduler == LrScheduler::Step,
            falls |c| c.lr_step_size;
        /// Epochs after which the learning rate falls.
        lr_milestones: Vec<u32> = Vec::new(), value "EPOCH,...", also "milestones",
            must "epochs from 1 on, each greater than the one before"
                |c| c.lr_milestones.first() != Some(&0) && c.lr_milestones.is_sorted_by(|a, b| a < b),
            must "at least one with --lr-scheduler multistep"
                |c| c.lr_scheduler != LrScheduler::Multistep || !c.lr_milestones.is_empty(),
            only_with "--lr-scheduler multistep" |c| c.lr_scheduler == LrScheduler::Multistep,
            falls |c| c.lr_milestones.last().copied().unwrap_or(0);
        /// Factor of each fall of the learning rate.
        lr_gamma: f64 = 0.1, value "FACTOR",
            must "above 0, at most 1" |c| c.lr_gamma > 0.0 && c.lr_gamma <= 1.0,
            idle_without "--lr-scheduler step, multistep, exponential or plateau" |c| matches!(
                c.lr_scheduler,
                LrScheduler::Step | LrScheduler::Multistep | LrScheduler::Exponential | LrScheduler::Plateau
            ),
            falls |c| match c.lr_scheduler {
                LrScheduler::Step => c.lr_step_size,
                LrScheduler::Exponential => 1,
                LrScheduler::Plateau => c.lr_patience.saturating_add(2),
                _ => c.lr_milestones.first().copied().unwrap_or(0),
            };
        /// Exponent of `polynomial`; 1 is linear.
        lr_power: f64 = 1.0, value "EXPONENT", in 0.01 to 100.0,
            idle_without "--lr-scheduler polynomial" |c| c.lr_scheduler == LrScheduler::Polynomial;
        /// Epochs of the first cosine of `restarts`.
        lr_restart_epochs: u32 = 10, value "EPOCHS", in 1 to 100_000,
            idle_without "--lr-scheduler restarts" |c| c.lr_scheduler == LrScheduler::Restarts;
        /// How many times as long each cosine of `restarts` is as the one before.
        lr_restart_factor: u32 = 1, value "FACTOR", in 1 to 1000,
            idle_without "--lr-scheduler restarts" |c| c.lr_scheduler == LrScheduler::Restarts;
        /// Fraction of all steps over which `onecycle` rises.
        lr_rise: f64 = 0.3, value "FRACTION", also "pct_start", in 0.0 to 1.0,
            idle_without "--lr-scheduler onecycle" |c| c.lr_scheduler == LrScheduler::Onecycle;
        /// The points of `piecewise`: epochs, fractions allowed, each with the factor on `lr` that is reached there.
        lr_points: Option<Points> = None, unset "none", value "EPOCH:FACTOR,...", values Points::FORM,
            must "given with --lr-scheduler piecewise"
                |c| c.lr_scheduler != LrScheduler::Piecewise || c.lr_points.is_some(),
            only_with "--lr-scheduler piecewise" |c| c.lr_scheduler == LrScheduler::Piecewise;
        /// The last epochs, fractions allowed, over which `wsd` falls to 0.
        lr_decay_epochs: Option<f64> = None, unset "a fifth of all epochs", value "EPOCHS",
            must "above 0, at most the number of epochs"
                |c| c.lr_decay_epochs.is_none_or(|epochs| epochs > 0.0 && epochs <= f64::from(c.epochs)),
            only_with "--lr-scheduler wsd" |c| c.lr_scheduler == LrScheduler::Wsd;
        /// Epochs without a lower test loss (by 0.01 % at least) after which `plateau` waits no longer.
        lr_patience: u32 = 10, value "EPOCHS", in 0 to 100_000,
            idle_without "--lr-scheduler plateau" |c| c.lr_scheduler == LrScheduler::Plateau,
            falls |c| c.lr_patience.saturating_add(2);
        /// Epochs, fractions allowed, over which the learning rate rises linearly to `lr`.
        lr_warmup_epochs: f64 = 0.0, value "EPOCHS", also "warmup_epochs",
            must "0 to the number of epochs" |c| (0.0..=f64::from(c.epochs)).contains(&c.lr_warmup_epochs),
            must "0 with onecycle and piecewise, which have a rise of their own" |c| {
                c.lr_warmup_epochs == 0.0
                    || !matches!(c.lr_scheduler, LrScheduler::Onecycle | LrScheduler::Piecewise)
            };
    }

    Run {
        /// The recipe's name, after which the run directory is named.
        recipe: String = "report".into(),
            must "a name of letters, digits, dashes and dots" |c| {
                c.recipe.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c))
                    && c.recipe.starts_with(char::is_alphanumeric)
            };
        /// Seeds the initial weights, the order of the images, augmentation and dropout. The same seed on the same device results in the
        /// same weights, bit for bit.
        seed: u64 = 0, in 0 to 9_223_372_036_854_775_807;
        /// The run directory.
        output_dir: Option<String> = None, unset "a new one of runs/RECIPE, runs/RECIPE-2 and so on", value "DIR",
            must "the path of a directory" |c| c.output_dir.as_deref() != Some("");
    }
}
