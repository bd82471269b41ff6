//! The few values that change from step to step.

use bytemuck::{Pod, Zeroable};

/// The values that the host uploads before each step, as one small tensor of `u32` words.
///
/// `shaders/shared/control.wgsl` declares the same struct; a test compares the two.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub struct Control {
    /// The optimiser step, counted from 1.
    pub step: u32,
    /// The low word of the seed.
    pub seed_low: u32,
    /// The high word of the seed.
    pub seed_high: u32,
    /// The number of real images in the batch; the others are padding and never count.
    pub valid: u32,
    /// The learning rate.
    pub learning_rate: f32,
    /// Adam's `1 - beta1^step`.
    pub bias_correction1: f32,
    /// Adam's `1 - beta2^step`.
    pub bias_correction2: f32,
    /// The weight of a new batch in the ranges of activations in quantisation-aware training; 0: they stay.
    pub range_momentum: f32,
    /// The batch of a training, counted from 1, on which random numbers depend: the step, unless several batches make one.
    pub batch: u32,
    /// The share of the batch's gradient in that of its step.
    pub share: f32,
    /// 1 if the batch is the first of its step, else 0.
    pub first: u32,
    /// Padding.
    pub reserved: [u32; 5],
}

impl Control {
    /// The size in 32-bit words.
    pub const WORDS: usize = size_of::<Self>() / 4;
}
