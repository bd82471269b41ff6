//! The configuration of a training run: recipes, files, flags.

mod choices;
mod error;
mod points;
#[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "flags, help and documents are made from it"))]
mod setting;
mod table;

pub use choices::{LrScheduler, NormalizeBy, Optimizer, PaddingMode, SparsitySchedule};
pub use error::ConfigError;
pub use points::Points;
pub use setting::Flags;
#[cfg(feature = "cli")]
pub(crate) use setting::plain;
pub(crate) use setting::{Setting, unknown_key};
pub(crate) use table::SETTINGS;
pub use table::TrainConfig;

use std::{fs, path::Path};

use crate::{
    data::{DataSets, DataSource, Dataset, Mixing, Normalization, RandAugment},
    model::VggConfig,
    ops::{Adam, Lion, Rule, Sgd},
    program::{DeviceLimits, Mode, Precision, Settings, Training},
    weights::State,
};

/// The recipes inside the program: name and text.
const BUILTIN: [(&str, &str); 4] = [
    ("report", include_str!("../../../assets/recipes/report.toml")),
    ("quick", include_str!("../../../assets/recipes/quick.toml")),
    ("fashion", include_str!("../../../assets/recipes/fashion.toml")),
    ("cifar", include_str!("../../../assets/recipes/cifar.toml")),
];

/// Strings, numbers and options of them can all be written as TOML.
const FLAT: &str = "a configuration is a flat table of TOML values";

impl TrainConfig {
    /// A recipe inside the program.
    ///
    /// # Errors
    /// [`ConfigError::UnknownRecipe`] with the known names.
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
    /// [`ConfigError`] if the file cannot be read, is not TOML, or has an unknown key or a wrong value.
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

    /// Reads TOML; `source` names it in errors. [`TrainConfig::validate`] checks ranges.
    ///
    /// # Errors
    /// [`ConfigError`] if it is not TOML, or has an unknown key or a value of another type.
    pub fn parse(source: &str, text: &str) -> Result<Self, ConfigError> {
        if let Ok(table) = text.parse::<toml::Table>() {
            known(source, &table)?;
        }
        toml::from_str(text).map_err(|error| ConfigError::parse(source, text, &error))
    }

    /// This configuration with flags in place of some of its values, validated.
    ///
    /// Values of this configuration that the flags leave without effect are not an error; optional ones are unset.
    ///
    /// # Errors
    /// [`ConfigError`] if a flag is unknown, of another type, out of range, or has no effect with the other values.
    pub fn with(&self, flags: &Flags) -> Result<Self, ConfigError> {
        self.with_defaults(&Flags::new(), flags)
    }

    /// This configuration with a user's defaults in place of some of its values, and flags in place of both, validated.
    ///
    /// # Errors
    /// As [`TrainConfig::with`]; but defaults that have no effect are unset.
    pub fn with_defaults(&self, defaults: &Flags, flags: &Flags) -> Result<Self, ConfigError> {
        known("flags", flags)?;
        let mut table = self.table();
        table.extend(defaults.clone());
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

    /// The configuration of a resumed run of this one, given the flags next to `--resume`.
    ///
    /// `epochs` (unless a schedule depends on it), `steps`, `checkpoint_steps`, `patience` and `output_dir` may change, and `data` may
    /// name another directory of the same data set. Everything else determines the numbers.
    ///
    /// # Errors
    /// [`ConfigError::Resume`] with every flag that contradicts; also as [`TrainConfig::with`].
    pub fn resumed_with(&self, flags: &Flags) -> Result<Self, ConfigError> {
        let config = self.with(flags)?;
        let (old, new) = (self.table(), config.table());
        let kind = |data: &str| data.split(':').next().map(str::to_owned);
        let may_change = |key: &str| match key {
            "steps" | "checkpoint_steps" | "patience" | "output_dir" => true,
            "epochs" => self.schedule_over_all_epochs().is_none(),
            "data" => kind(&self.data) == kind(&config.data),
            _ => false,
        };
        let show = |table: &toml::Table, key| table.get(key).map_or("unset".to_owned(), ToString::to_string);
        let conflicts: Vec<String> = flags
            .keys()
            .filter(|key| old.get(*key) != new.get(*key) && !may_change(key))
            .map(|key| format!("{} is {}, not {}", Setting::of(key).flag(), show(&old, key), show(&new, key)))
            .collect();
        if conflicts.is_empty() {
            // The run directory may have been moved since: without the flag, the run continues in its checkpoint's directory.
            let output_dir = config.output_dir.filter(|_| flags.contains_key("output_dir"));
            return Ok(Self { output_dir, ..config });
        }
        let spread = self.schedule_over_all_epochs().filter(|_| config.epochs != self.epochs);
        Err(ConfigError::Resume { conflicts: conflicts.join("; "), spread })
    }

    /// The schedule, if there is one, that is spread over all epochs, so that their number cannot change.
    pub(super) fn schedule_over_all_epochs(&self) -> Option<&'static str> {
        match self.lr_scheduler {
            LrScheduler::Cosine => return Some("cosine schedule"),
            LrScheduler::Polynomial => return Some("polynomial schedule"),
            LrScheduler::Onecycle => return Some("one-cycle schedule"),
            LrScheduler::Wsd => return Some("warm-up, stable, decay schedule"),
            _ => {}
        }
        let sparse = self.sparsity > 0.0 && self.sparsity_schedule == SparsitySchedule::Cubic;
        sparse.then_some("cubic schedule of the sparsity")
    }

    /// The configuration as TOML, one line per key.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect(FLAT)
    }

    fn table(&self) -> toml::Table {
        toml::Table::try_from(self).expect(FLAT)
    }

    /// The source of the data.
    ///
    /// # Errors
    /// [`ConfigError::Data`] if the text does not name a data set.
    pub fn data_source(&self) -> Result<DataSource, ConfigError> {
        Ok(self.data.parse()?)
    }

    /// Whether the data are a folder of pictures.
    fn has_pictures(&self) -> bool {
        self.data_source().is_ok_and(|source| source.kind().pictures)
    }

    /// What the epochs are judged on: `validation` or `test` images.
    pub fn judged_on(&self) -> &'static str {
        if self.val_fraction > 0.0 { "validation" } else { "test" }
    }

    /// The network for images of `channels` channels and `classes` classes.
    pub fn vgg(&self, channels: usize, classes: usize) -> VggConfig {
        VggConfig {
            model: self.model,
            image_size: [self.image_size; 2],
            channels,
            classes,
            width: self.width,
            widths: self.widths.clone(),
            norm: self.norm,
            hidden: self.hidden,
            dropout: self.dropout as f32,
            activation: self.activation,
            negative_slope: self.negative_slope as f32,
            celu_alpha: self.celu_alpha as f32,
            logit_scale: self.logit_scale as f32,
            semantics: self.semantics,
            pool_stride: self.pool_stride,
            avgpool: self.avgpool,
            freeze: self.freeze,
            qat: self.qat,
            ..VggConfig::default()
        }
        .agreed()
    }

    /// The decay of the second moment, or of Lion's momentum, whose default averages over a tenth as many steps.
    pub fn beta2(&self) -> f64 {
        self.beta2.unwrap_or(if self.opt == Optimizer::Lion { 0.99 } else { 0.999 })
    }

    /// The last epochs of the `wsd` schedule, over which the rate falls.
    pub fn lr_decay_epochs(&self) -> f64 {
        self.lr_decay_epochs.unwrap_or(f64::from(self.epochs) / 5.0)
    }

    /// The optimiser's rule.
    pub fn rule(&self) -> Rule {
        let weight_decay = self.weight_decay as f32;
        match self.opt {
            Optimizer::Adam | Optimizer::Adamw => Rule::Adam(Adam {
                len: 0,
                beta1: self.beta1 as f32,
                beta2: self.beta2() as f32,
                eps: self.eps as f32,
                weight_decay,
                decoupled: self.opt == Optimizer::Adamw,
                scaled: false,
                sparse: false,
            }),
            Optimizer::Sgd => Rule::Sgd(Sgd {
                len: 0,
                momentum: self.momentum.unwrap_or(0.9) as f32,
                nesterov: self.nesterov,
                weight_decay,
                scaled: false,
                sparse: false,
            }),
            Optimizer::Lion => Rule::Lion(Lion {
                len: 0,
                beta1: self.beta1 as f32,
                beta2: self.beta2() as f32,
                weight_decay,
                scaled: false,
                sparse: false,
            }),
        }
    }

    /// The training's state on the device besides the parameters.
    pub fn state(&self) -> State {
        let scaled = self.precision == Precision::Mixed;
        State { rule: self.rule().state(), averaged: self.model_ema, scaled }
    }

    /// The parts of a training step.
    pub fn training(&self) -> Training {
        Training {
            rule: self.rule(),
            label_smoothing: self.label_smoothing as f32,
            mixed: self.mixing().is_some(),
            reflect: self.padding_mode == PaddingMode::Reflect,
            bn_l1: self.bn_l1 as f32,
            accumulate: self.grad_accum_steps > 1,
            sparse: self.sparsity > 0.0,
            norm_weight_decay: self.norm_weight_decay.map(|decay| decay as f32),
            bias_weight_decay: self.bias_weight_decay.map(|decay| decay as f32),
            clip_grad_norm: self.clip_grad_norm.map(|norm| norm as f32),
            average: self.model_ema.then(|| self.model_ema_decay.unwrap_or(0.999) as f32),
            fused_update: true,
        }
    }

    /// How training images are erased and mixed, if they are.
    pub fn mixing(&self) -> Option<Mixing> {
        let mixing = Mixing {
            size: [self.image_size; 2],
            random_erase: self.random_erase,
            cutout: self.cutout as usize,
            mixup_alpha: self.mixup_alpha,
            cutmix_alpha: self.cutmix_alpha,
        };
        (mixing != Mixing { size: mixing.size, ..Mixing::default() }).then_some(mixing)
    }

    /// RandAugment's operations, if there are any.
    pub fn rand_augmentation(&self) -> Option<RandAugment> {
        let rand_augment =
            RandAugment { operations: self.rand_augment, magnitude: self.rand_augment_magnitude };
        (self.rand_augment > 0).then_some(rand_augment)
    }

    /// The optimiser steps of an epoch of this many batches.
    pub fn steps_per_epoch(&self, batches_per_epoch: usize) -> u64 {
        batches_per_epoch.div_ceil(self.grad_accum_steps as usize) as u64
    }

    /// The optimiser steps of the whole run.
    pub fn total_steps(&self, batches_per_epoch: usize) -> u64 {
        let all = u64::from(self.epochs) * self.steps_per_epoch(batches_per_epoch);
        self.steps.unwrap_or(all).min(all)
    }

    /// The data, normalised for this run. `trained_with` is the normalisation of its initial weights or its checkpoint.
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
    match table.keys().find(|key| SETTINGS.iter().all(|setting| setting.key != *key)) {
        Some(key) => Err(unknown_key(source, key)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
