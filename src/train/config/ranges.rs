//! The range of each value.

use super::{ConfigError, LrScheduler, Optimizer, TrainConfig};
use crate::{data::DataSource, model::Freeze};

impl TrainConfig {
    /// Checks every value, alone and together.
    ///
    /// # Errors
    /// [`ConfigError::Range`], [`ConfigError::Together`], [`ConfigError::Network`] or [`ConfigError::Data`] with the first value that is out
    /// of range, and what is allowed.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let check = |key, value: &dyn ToString, ok: bool, range| {
            if ok { Ok(()) } else { Err(ConfigError::Range { key, value: value.to_string(), range }) }
        };
        let c = self;
        let plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
        let name_ok = c.recipe.chars().all(plain) && c.recipe.starts_with(char::is_alphanumeric);
        check("recipe", &c.recipe, name_ok, "a name of letters, digits, dashes and dots")?;
        check("batch_size", &c.batch_size, (1..=65_536).contains(&c.batch_size), "1 to 65536")?;
        check("epochs", &c.epochs, (1..=100_000).contains(&c.epochs), "1 to 100000")?;
        let steps = c.steps.unwrap_or(1);
        check("steps", &steps, (1..=u64::from(u32::MAX)).contains(&steps), "1 to 4294967295")?;
        check("lr", &c.lr, (1e-12..=100.0).contains(&c.lr), "1e-12 to 100")?;
        check("weight_decay", &c.weight_decay, (0.0..=1.0).contains(&c.weight_decay), "0 to 1")?;
        // The device computes in f32, where a decay nearer to 1 than this would be 1.
        let decay = |beta: f64| (0.0..=0.999_999_9).contains(&beta);
        check("beta1", &c.beta1, decay(c.beta1), "0 to 0.9999999")?;
        check("beta2", &c.beta2, decay(c.beta2), "0 to 0.9999999")?;
        let momentum = c.momentum.unwrap_or(0.0);
        check("momentum", &momentum, decay(momentum), "0 to 0.9999999")?;
        let ema = c.model_ema_decay.unwrap_or(0.0);
        check("model_ema_decay", &ema, decay(ema), "0 to 0.9999999")?;
        let smoothing = c.label_smoothing;
        check("label_smoothing", &smoothing, (0.0..1.0).contains(&smoothing), "at least 0, below 1")?;
        let norm = c.clip_grad_norm.unwrap_or(1.0);
        check("clip_grad_norm", &norm, (1e-12..=1e12).contains(&norm), "1e-12 to 1e12")?;
        let patience = c.patience.unwrap_or(1);
        check("patience", &patience, (1..=100_000).contains(&patience), "1 to 100000")?;
        check("eps", &c.eps, (1e-30..=1.0).contains(&c.eps), "1e-30 to 1")?;
        check("lr_step_size", &c.lr_step_size, (1..=100_000).contains(&c.lr_step_size), "1 to 100000")?;
        check("lr_gamma", &c.lr_gamma, c.lr_gamma > 0.0 && c.lr_gamma <= 1.0, "above 0, at most 1")?;
        let warmup = c.lr_warmup_epochs;
        let warmup_ok = (0.0..=f64::from(c.epochs)).contains(&warmup);
        check("lr_warmup_epochs", &warmup, warmup_ok, "0 to the number of epochs")?;
        check("rotate", &c.rotate, (0.0..=180.0).contains(&c.rotate), "0 to 180 degrees")?;
        check("translate", &c.translate, (0.0..=1.0).contains(&c.translate), "0 to 1")?;
        check("random_crop", &c.random_crop, c.random_crop <= 4096, "0 to 4096 pixels")?;
        let resize = c.resize_size.unwrap_or(c.image_size);
        let resize_ok = (c.image_size..=16_384).contains(&resize);
        check("resize_size", &resize, resize_ok || c.resize_size.is_none(), "image_size to 16384")?;
        let folder = matches!(c.data_source()?, DataSource::Folder(_));
        let unset = "unset unless the data are a folder of pictures";
        check("resize_size", &resize, folder || c.resize_size.is_none(), unset)?;
        let seed_ok = i64::try_from(c.seed).is_ok();
        check("seed", &c.seed, seed_ok, "0 to 9223372036854775807")?;
        let directory = c.output_dir.as_deref().unwrap_or("runs");
        check("output_dir", &directory, !directory.is_empty(), "the path of a directory")?;
        self.validate_together()?;
        // Channels and classes are the data set's; image size, width, hidden and dropout are checked by these.
        c.vgg(1, 10).network()?;
        Ok(())
    }

    /// Refuses values that have no meaning beside each other.
    fn validate_together(&self) -> Result<(), ConfigError> {
        let (opt, sgd) = (self.opt.word(), self.opt == Optimizer::Sgd);
        let momentum = self.momentum.unwrap_or(0.9);
        let (scheduler, multistep) = (self.lr_scheduler.word(), self.lr_scheduler == LrScheduler::Multistep);
        let milestones = &self.lr_milestones;
        let ascending = milestones.first() != Some(&0) && milestones.is_sorted_by(|a, b| a < b);
        let decay = self.model_ema_decay.unwrap_or(0.0);
        let faults = [
            (
                !sgd && self.momentum.is_some(),
                format!("momentum is {momentum}, but opt is {opt}: give --opt sgd, or leave momentum out"),
            ),
            (
                !sgd && self.nesterov,
                format!("nesterov is true, but opt is {opt}: give --opt sgd, or leave nesterov out"),
            ),
            (
                self.nesterov && momentum == 0.0,
                "nesterov is true, but momentum is 0: give a momentum above 0, or leave nesterov out".into(),
            ),
            (
                self.freeze != Freeze::None && self.weights.is_none(),
                "freeze keeps layers as they are, but without weights they would stay random; give --weights FILE with \
                 --freeze features"
                    .into(),
            ),
            (
                !multistep && !milestones.is_empty(),
                format!(
                    "lr_milestones is {milestones:?}, but lr_scheduler is {scheduler}: give --lr-scheduler multistep, or \
                     leave lr_milestones out"
                ),
            ),
            (
                multistep && milestones.is_empty(),
                "lr_scheduler is multistep, but there are no lr_milestones: give --lr-milestones EPOCH,EPOCH,..."
                    .into(),
            ),
            (
                !ascending,
                format!(
                    "lr_milestones is {milestones:?}, but must be epochs from 1 on, each greater than the one before"
                ),
            ),
            (
                !self.model_ema && self.model_ema_decay.is_some(),
                format!(
                    "model_ema_decay is {decay}, but model_ema is false: give --model-ema, or leave model_ema_decay out"
                ),
            ),
        ];
        match faults.into_iter().find(|(there, _)| *there) {
            Some((_, message)) => Err(ConfigError::Together { message }),
            None => Ok(()),
        }
    }
}
