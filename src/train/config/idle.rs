//! Settings that have no effect beside the others.
//!
//! A person who gives a flag means it, so one without effect is refused. A recipe gives every key a value and may have such;
//! only what it could leave out is [`TrainConfig::validate`]'s business.

use super::{ConfigError, Flags, LrScheduler, Optimizer, TrainConfig, flag};
use crate::{data::DataSource, model::ActivationKind};

impl TrainConfig {
    /// Unsets what no flag asks for and other flags have left without effect, as a recipe's momentum after `--opt adam`; and
    /// gives Lion its own decay.
    pub(super) fn unset_idle(&mut self, flags: &Flags) {
        let default = Self::default();
        let idle = |key, used: bool| !used && !flags.contains_key(key);
        let sgd = self.opt == Optimizer::Sgd;
        if idle("momentum", sgd) {
            self.momentum = default.momentum;
        }
        if idle("nesterov", sgd) {
            self.nesterov = default.nesterov;
        }
        // What its authors take; Adam's would average over ten times as many steps.
        if flags.contains_key("opt") && idle("beta2", self.opt != Optimizer::Lion) {
            self.beta2 = 0.99;
        }
        if idle("lr_milestones", self.lr_scheduler == LrScheduler::Multistep) {
            self.lr_milestones = default.lr_milestones;
        }
        if idle("model_ema_decay", self.model_ema) {
            self.model_ema_decay = default.model_ema_decay;
        }
    }

    /// Refuses flags that have no effect beside the other values, which are valid.
    ///
    /// # Errors
    /// [`ConfigError::Together`] with the first of them, what leaves it without effect, and the way out.
    pub(super) fn refuse_idle(&self, flags: &Flags) -> Result<(), ConfigError> {
        let (scheduler, epochs) = (self.lr_scheduler.word(), self.epochs);
        let step = self.lr_scheduler == LrScheduler::Step;
        let falls = step || self.lr_scheduler == LrScheduler::Multistep;
        let size = self.lr_step_size;
        let first_fall = if step { size } else { self.lr_milestones.first().copied().unwrap_or(0) };
        let last_fall = self.lr_milestones.last().copied().unwrap_or(0);
        let folder = matches!(self.data_source()?, DataSource::Folder(_));
        // The flag, whether it has no effect, why, and what would give it one.
        let rows = [
            (
                "negative_slope",
                self.activation != ActivationKind::LeakyRelu,
                format!("activation is {}", self.activation.word()),
                "give --activation leaky_relu".to_owned(),
            ),
            (
                "lr_step_size",
                !step,
                format!("lr_scheduler is {scheduler}"),
                "give --lr-scheduler step".to_owned(),
            ),
            (
                "lr_gamma",
                !falls,
                format!("lr_scheduler is {scheduler}"),
                "give --lr-scheduler step or multistep".to_owned(),
            ),
            (
                "lr_milestones",
                last_fall >= epochs,
                format!("after {last_fall} the run of {epochs} epochs is over"),
                format!("give at least --epochs {}", u64::from(last_fall) + 1),
            ),
            (
                "lr_step_size",
                size >= epochs,
                format!("after {size} the run of {epochs} epochs is over"),
                format!("give at least --epochs {}", u64::from(size) + 1),
            ),
            (
                "lr_gamma",
                first_fall >= epochs,
                format!("the rate first falls after {first_fall} epochs, and the run has {epochs}"),
                format!("give at least --epochs {}", u64::from(first_fall) + 1),
            ),
            (
                "normalize_by",
                self.weights.is_none(),
                "the run begins with no weights".to_owned(),
                "give --weights FILE".to_owned(),
            ),
            (
                "skip_corrupt",
                self.skip_corrupt && !folder,
                format!("data is {}", self.data),
                "give --data folder:DIR".to_owned(),
            ),
        ];
        for (key, idle, why, remedy) in rows {
            if let (true, Some(value)) = (idle, flags.get(key)) {
                let flag = flag(key);
                let message = format!("{flag} is {value}, but {why}: {remedy}, or leave {flag} out");
                return Err(ConfigError::Together { message });
            }
        }
        Ok(())
    }
}
