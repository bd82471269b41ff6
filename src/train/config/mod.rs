//! What a training run is made of: recipes, files, flags.

mod error;
mod idle;
mod ranges;

pub use error::ConfigError;

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

use crate::{
    data::{DataSets, DataSource, Dataset, Normalization},
    model::{ActivationKind, Architecture, Freeze, PoolStride, Semantics, VggConfig},
    ops::{Adam, Lion, Rule, Sgd},
    program::{DeviceLimits, Mode, Precision, Settings, Training},
};

/// The recipes inside the program: name and text.
const BUILTIN: [(&str, &str); 2] = [
    ("report", include_str!("../../../assets/recipes/report.toml")),
    ("quick", include_str!("../../../assets/recipes/quick.toml")),
];

/// Strings, numbers and options of them: all of it has a place in TOML.
const FLAT: &str = "a configuration is a flat table of TOML values";

/// Flags as the user gave them: only those that were given, under the names of [`TrainConfig`]'s fields.
pub type Flags = toml::Table;

/// The optimiser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// Adam, with bias correction.
    #[default]
    Adam,
    /// Adam with decoupled weight decay.
    Adamw,
    /// Stochastic gradient descent, with momentum.
    Sgd,
    /// Lion, with decoupled weight decay.
    Lion,
}

impl Optimizer {
    /// The word in recipes and flags.
    pub fn word(self) -> &'static str {
        match self {
            Self::Adam => "adam",
            Self::Adamw => "adamw",
            Self::Sgd => "sgd",
            Self::Lion => "lion",
        }
    }
}

/// How the learning rate changes over a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LrScheduler {
    /// It does not.
    #[default]
    Constant,
    /// It is multiplied by `lr_gamma` every `lr_step_size` epochs.
    Step,
    /// It is multiplied by `lr_gamma` at each of `lr_milestones`.
    Multistep,
    /// It falls to 0 along half a cosine, step by step.
    Cosine,
}

impl LrScheduler {
    /// The word in recipes and flags.
    pub fn word(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Step => "step",
            Self::Multistep => "multistep",
            Self::Cosine => "cosine",
        }
    }
}

/// Whose mean and standard deviation images are normalised with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormalizeBy {
    /// Those that the weights a run begins with were trained with; the data set's without such weights.
    #[default]
    Weights,
    /// The data set's.
    Data,
}

/// All that a training run needs to know besides the device.
///
/// The fields are the keys of a recipe and, with dashes, the flags of `vgg train`. `assets/recipes/*.toml`
/// documents each; a key that a recipe leaves out has the value of [`TrainConfig::default`], the `report` recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// The recipe's name; names the run directory.
    pub recipe: String,
    /// The data set, as [`DataSource`] reads it.
    pub data: String,
    /// Which network of the family.
    pub model: Architecture,
    /// Side of the network's input, in pixels.
    pub image_size: usize,
    /// Factor on every layer's width.
    pub width: f64,
    /// Features of the two hidden linear layers; `None`: 4096 times `width`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden: Option<usize>,
    /// Dropout rate of the classifier.
    pub dropout: f64,
    /// The activation after each convolution and each hidden linear layer.
    pub activation: ActivationKind,
    /// The slope of a leaky ReLU at and below 0.
    pub negative_slope: f64,
    /// Whose rule decides where the paper's code and PyTorch differ.
    pub semantics: Semantics,
    /// The stride of the pooling layers.
    pub pool_stride: PoolStride,
    /// Side of the image that adaptive average pooling gives the classifier; 0 leaves the layer out.
    pub avgpool: usize,
    /// A file of weights to begin with in place of the seed's; `None`: the seed's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// Whose mean and standard deviation images are normalised with where the run begins with weights.
    pub normalize_by: NormalizeBy,
    /// Layers that are not trained.
    pub freeze: Freeze,
    /// Images a step.
    pub batch_size: usize,
    /// Passes over the training images.
    pub epochs: u32,
    /// Ends the run after this many optimiser steps in all, should that come before the last epoch's end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// The optimiser.
    pub opt: Optimizer,
    /// The learning rate.
    pub lr: f64,
    /// Factor of the weight decay, on every parameter: added to the gradient, or with `adamw` apart from it.
    pub weight_decay: f64,
    /// Decay of the velocity of `sgd`; `None`: 0.9. Other optimisers have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
    /// Whether `sgd` looks ahead along the velocity.
    pub nesterov: bool,
    /// Adam's decay of the first moment.
    pub beta1: f64,
    /// Adam's decay of the second moment.
    pub beta2: f64,
    /// Adam's addition to the denominator.
    pub eps: f64,
    /// What activations and their gradients are stored as.
    pub precision: Precision,
    /// How the learning rate changes.
    pub lr_scheduler: LrScheduler,
    /// Epochs between two falls of the `step` schedule.
    pub lr_step_size: u32,
    /// The epochs after which the `multistep` schedule falls, ascending.
    pub lr_milestones: Vec<u32>,
    /// The factor of each fall.
    pub lr_gamma: f64,
    /// Epochs, fractions allowed, over which the learning rate rises to `lr`.
    pub lr_warmup_epochs: f64,
    /// The part of the target that training spreads evenly over all classes. The test loss is without.
    pub label_smoothing: f64,
    /// The norm of all gradients together that is not exceeded; `None`: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_grad_norm: Option<f64>,
    /// Whether the weights are averaged over the steps, and evaluations and the best weights are those of the average.
    pub model_ema: bool,
    /// The decay of that average after its warm-up ([`Average`](crate::ops::Average)); `None`: 0.999. There is none without
    /// `model_ema`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_ema_decay: Option<f64>,
    /// Ends the run after this many epochs without a higher test accuracy than before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<u32>,
    /// Training images are rotated at random by up to this many degrees.
    pub rotate: f64,
    /// Training images are moved at random by up to this fraction of their size.
    pub translate: f64,
    /// Training images are shown as random parts of them.
    pub random_resized_crop: bool,
    /// Every second training image is mirrored.
    pub hflip: bool,
    /// Training images are moved at random by up to this many whole pixels.
    pub random_crop: u32,
    /// What the shorter side of a folder's pictures is resized to; `None`: the image size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize_size: Option<usize>,
    /// Damaged files of a folder are left out; if not, they are an error.
    pub skip_corrupt: bool,
    /// Seeds the first weights, the order of the images, augmentation and dropout.
    pub seed: u64,
    /// The run directory; `None`: a fresh `runs/<recipe>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_dir: Option<String>,
}

impl Default for TrainConfig {
    /// The paper's network and training; the recipe `report`.
    fn default() -> Self {
        Self {
            recipe: "report".into(),
            data: "mnist".into(),
            model: Architecture::Vgg16Bn,
            image_size: 224,
            width: 1.0,
            hidden: None,
            dropout: 0.5,
            activation: ActivationKind::Relu,
            negative_slope: 0.01,
            semantics: Semantics::Paper,
            pool_stride: PoolStride::Adaptive,
            avgpool: 0,
            weights: None,
            normalize_by: NormalizeBy::Weights,
            freeze: Freeze::None,
            batch_size: 64,
            epochs: 10,
            steps: None,
            opt: Optimizer::Adam,
            lr: 1e-3,
            weight_decay: 0.0,
            momentum: None,
            nesterov: false,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            precision: Precision::F32,
            lr_scheduler: LrScheduler::Constant,
            lr_step_size: 2,
            lr_milestones: Vec::new(),
            lr_gamma: 0.1,
            lr_warmup_epochs: 0.0,
            label_smoothing: 0.0,
            clip_grad_norm: None,
            model_ema: false,
            model_ema_decay: None,
            patience: None,
            rotate: 0.0,
            translate: 0.0,
            random_resized_crop: false,
            hflip: false,
            random_crop: 0,
            resize_size: None,
            skip_corrupt: false,
            seed: 0,
            output_dir: None,
        }
    }
}

impl TrainConfig {
    /// A recipe inside the program.
    ///
    /// # Errors
    /// [`ConfigError::UnknownRecipe`] with the names there are.
    pub fn builtin(name: &str) -> Result<Self, ConfigError> {
        match BUILTIN.iter().find(|(builtin, _)| *builtin == name) {
            Some((name, text)) => Self::parse(&format!("recipe {name}"), text),
            None => Err(ConfigError::UnknownRecipe {
                name: name.into(),
                known: BUILTIN.map(|(name, _)| name).join(", "),
            }),
        }
    }

    /// A recipe from a file; without a key `recipe` it is named after the file.
    ///
    /// # Errors
    /// [`ConfigError`] where the file cannot be read, is no TOML, or has an unknown key or a wrong value.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let text =
            fs::read_to_string(path).map_err(|error| ConfigError::Read { path: path.to_owned(), error })?;
        let source = format!("recipe {}", path.display());
        let mut config = Self::parse(&source, &text)?;
        let named = text.parse::<toml::Table>().is_ok_and(|table| table.contains_key("recipe"));
        if let (false, Some(stem)) = (named, path.file_stem()) {
            let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' };
            config.recipe = stem.to_string_lossy().chars().map(plain).collect();
        }
        config.validate()?;
        Ok(config)
    }

    /// A recipe inside the program by its name, or else a file: the value of `--recipe`.
    ///
    /// # Errors
    /// As [`TrainConfig::builtin`] and [`TrainConfig::from_file`].
    pub fn recipe(name_or_file: &str) -> Result<Self, ConfigError> {
        let is_file = name_or_file.contains(['/', '\\', '.']);
        if is_file { Self::from_file(Path::new(name_or_file)) } else { Self::builtin(name_or_file) }
    }

    /// Reads TOML; `source` names it in errors. Ranges are [`TrainConfig::validate`]'s business.
    ///
    /// # Errors
    /// [`ConfigError`] where it is no TOML or has an unknown key or a value of another type.
    pub fn parse(source: &str, text: &str) -> Result<Self, ConfigError> {
        if let Ok(table) = text.parse::<toml::Table>() {
            known(source, &table)?;
        }
        toml::from_str(text).map_err(|error| ConfigError::parse(source, text, &error))
    }

    /// This configuration with flags in place of some of its values, validated.
    ///
    /// Values of this configuration that the flags leave without a use are no fault; optional ones are unset.
    ///
    /// # Errors
    /// [`ConfigError`] where a flag is unknown, of another type, out of range, or has no effect beside the other values.
    pub fn with(&self, flags: &Flags) -> Result<Self, ConfigError> {
        known("flags", flags)?;
        let mut table = self.table();
        table.extend(flags.clone());
        let mut config: Self = table.try_into().map_err(|error: toml::de::Error| {
            let message = error.message().trim().to_owned();
            ConfigError::Flag { message }
        })?;
        config.unset_idle(flags);
        config.validate()?;
        config.refuse_idle(flags)?;
        Ok(config)
    }

    /// The configuration with which a run of this one goes on when the user gave `flags` beside `--resume`.
    ///
    /// `epochs`, `steps`, `patience` and `output_dir` may change, and `data` may name another place of the same kind; the
    /// cosine schedule depends on `epochs`, which then may not. Everything else determines the numbers.
    ///
    /// # Errors
    /// [`ConfigError::Resume`] with every flag that contradicts; also as [`TrainConfig::with`].
    pub fn resumed_with(&self, flags: &Flags) -> Result<Self, ConfigError> {
        let config = self.with(flags)?;
        let (old, new) = (self.table(), config.table());
        let kind = |data: &str| data.split(':').next().map(str::to_owned);
        let may_change = |key: &str| match key {
            "steps" | "patience" | "output_dir" => true,
            "epochs" => self.lr_scheduler != LrScheduler::Cosine,
            "data" => kind(&self.data) == kind(&config.data),
            _ => false,
        };
        let show = |table: &toml::Table, key| table.get(key).map_or("unset".to_owned(), ToString::to_string);
        let conflicts: Vec<String> = flags
            .keys()
            .filter(|key| old.get(*key) != new.get(*key) && !may_change(key))
            .map(|key| format!("{} is {}, not {}", flag(key), show(&old, key), show(&new, key)))
            .collect();
        if conflicts.is_empty() {
            // A run directory may have been moved since: without a flag, the run goes on where its checkpoint is.
            let output_dir = config.output_dir.filter(|_| flags.contains_key("output_dir"));
            return Ok(Self { output_dir, ..config });
        }
        let cosine = config.epochs != self.epochs && self.lr_scheduler == LrScheduler::Cosine;
        Err(ConfigError::Resume { conflicts: conflicts.join("; "), cosine })
    }

    /// The configuration as TOML, one line a key.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect(FLAT)
    }

    fn table(&self) -> toml::Table {
        toml::Table::try_from(self).expect(FLAT)
    }

    /// Every key there is.
    pub fn keys() -> Vec<String> {
        let text = Some(String::new());
        let all = Self {
            hidden: Some(1),
            steps: Some(1),
            momentum: Some(0.0),
            clip_grad_norm: Some(1.0),
            model_ema_decay: Some(0.0),
            patience: Some(1),
            weights: text.clone(),
            resize_size: Some(1),
            output_dir: text,
            ..Self::default()
        };
        all.table().keys().cloned().collect()
    }

    /// Where the data come from.
    ///
    /// # Errors
    /// [`ConfigError::Data`] where the text names no kind of data set.
    pub fn data_source(&self) -> Result<DataSource, ConfigError> {
        Ok(self.data.parse()?)
    }

    /// The network for images of `channels` channels and `classes` classes.
    pub fn vgg(&self, channels: usize, classes: usize) -> VggConfig {
        VggConfig {
            model: self.model,
            image_size: [self.image_size; 2],
            channels,
            classes,
            width: self.width,
            hidden: self.hidden,
            dropout: self.dropout as f32,
            activation: self.activation,
            negative_slope: self.negative_slope as f32,
            semantics: self.semantics,
            pool_stride: self.pool_stride,
            avgpool: self.avgpool,
            freeze: self.freeze,
            ..VggConfig::default()
        }
    }

    /// The rule by which parameters follow their gradients.
    pub fn rule(&self) -> Rule {
        let weight_decay = self.weight_decay as f32;
        match self.opt {
            Optimizer::Adam | Optimizer::Adamw => Rule::Adam(Adam {
                len: 0,
                beta1: self.beta1 as f32,
                beta2: self.beta2 as f32,
                eps: self.eps as f32,
                weight_decay,
                decoupled: self.opt == Optimizer::Adamw,
                scaled: false,
            }),
            Optimizer::Sgd => Rule::Sgd(Sgd {
                len: 0,
                momentum: self.momentum.unwrap_or(0.9) as f32,
                nesterov: self.nesterov,
                weight_decay,
                scaled: false,
            }),
            Optimizer::Lion => Rule::Lion(Lion {
                len: 0,
                beta1: self.beta1 as f32,
                beta2: self.beta2 as f32,
                weight_decay,
                scaled: false,
            }),
        }
    }

    /// How a training step goes.
    pub fn training(&self) -> Training {
        Training {
            rule: self.rule(),
            label_smoothing: self.label_smoothing as f32,
            clip_grad_norm: self.clip_grad_norm.map(|norm| norm as f32),
            average: self.model_ema.then(|| self.model_ema_decay.unwrap_or(0.999) as f32),
            fused_update: true,
        }
    }

    /// The optimiser steps of the whole run.
    pub fn total_steps(&self, steps_per_epoch: usize) -> u64 {
        let all = u64::from(self.epochs) * steps_per_epoch as u64;
        self.steps.unwrap_or(all).min(all)
    }

    /// The data as this run normalises them, given what the weights that it begins with, or its checkpoint, were trained with.
    pub fn normalized(&self, data: DataSets, trained_with: &Normalization) -> DataSets {
        let theirs = self.weights.is_some() && self.normalize_by == NormalizeBy::Weights;
        if theirs { data.normalized_by(trained_with) } else { data }
    }

    /// How to lower the network for training on a data set.
    pub fn settings(&self, dataset: &dyn Dataset, limits: DeviceLimits) -> Settings {
        let normalization = dataset.normalization();
        Settings {
            batch: self.batch_size,
            source: [dataset.height(), dataset.width()],
            mean: normalization.mean.clone(),
            std: normalization.std.clone(),
            mode: Mode::Train(self.training()),
            precision: self.precision,
            limits,
        }
    }
}

/// Refuses keys that do not exist.
fn known(source: &str, table: &toml::Table) -> Result<(), ConfigError> {
    let keys = TrainConfig::keys();
    match table.keys().find(|key| !keys.contains(key)) {
        Some(key) => Err(ConfigError::unknown_key(source, key, &keys)),
        None => Ok(()),
    }
}

/// `batch_size` is `--batch-size`.
fn flag(key: &str) -> String {
    format!("--{}", key.replace('_', "-"))
}

#[cfg(test)]
mod tests;
