//! The words that settings may have.

use serde::{Deserialize, Serialize};

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
    /// It is multiplied by `lr_gamma` after every epoch.
    Exponential,
    /// It falls to 0 along a power of the steps that are left.
    Polynomial,
    /// Cosines, each from the whole rate to 0, after which the next begins.
    Restarts,
    /// It rises from a 25th along half a cosine, then falls to almost 0 along another.
    Onecycle,
    /// It follows `lr_points`.
    Piecewise,
    /// It is constant, then falls linearly to 0 at the end.
    Wsd,
    /// It is multiplied by `lr_gamma` when the test loss has not fallen for more than `lr_patience` epochs.
    Plateau,
}

/// How the share of weights that are 0 grows over a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SparsitySchedule {
    /// Along a cubic curve over the first three quarters of all steps, fast at first.
    #[default]
    Cubic,
    /// All at once, before the first step.
    Constant,
}

/// What training images show where they are moved beyond their border.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PaddingMode {
    /// Black.
    #[default]
    Constant,
    /// Their mirror image, without the border's pixels twice.
    Reflect,
}

/// The source of the mean and standard deviation that normalise images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormalizeBy {
    /// Those that the initial weights were trained with; without a file of weights, the data set's.
    #[default]
    Weights,
    /// The data set's.
    Data,
}
