//! Prologues: transforms of an operand's values as a kernel loads them, common to all mainloops and Winograd's transforms.

use super::parts::Elem;
use crate::{
    dtype::DType,
    ops::{Activation, BatchNormNormalize, activation_kernels as activation},
    shader::{Fragment, Source, fragment},
};

const INPUT_PLAIN: Fragment = fragment!("prologue/input_plain.wgsl");
const INPUT_NORM_ACTIVATION: Fragment = fragment!("prologue/input_norm_activation.wgsl");
const INPUT_IMAGE_NORM_ACTIVATION: Fragment = fragment!("prologue/input_image_norm_activation.wgsl");
const INPUT_PLAIN_COOPERATIVE: Fragment = fragment!("prologue/input_plain_cooperative.wgsl");
const INPUT_NORM_ACTIVATION_COOPERATIVE: Fragment =
    fragment!("prologue/input_norm_activation_cooperative.wgsl");
const INPUT_IMAGE_NORM_ACTIVATION_COOPERATIVE: Fragment =
    fragment!("prologue/input_image_norm_activation_cooperative.wgsl");
const GRAD_PLAIN: Fragment = fragment!("prologue/grad_plain.wgsl");
const GRAD_NORM_ACTIVATION: Fragment = fragment!("prologue/grad_norm_activation.wgsl");
const GRAD_PLAIN_COOPERATIVE: Fragment = fragment!("prologue/grad_plain_cooperative.wgsl");
const GRAD_NORM_ACTIVATION_COOPERATIVE: Fragment =
    fragment!("prologue/grad_norm_activation_cooperative.wgsl");

/// The prologue of an operand whose rows have this many channels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prologue {
    operand: &'static str,
    norm: Norm,
    channels: usize,
    elem: Elem,
    activation: Option<Activation>,
}

/// The norm of a prologue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Norm {
    /// None, and no activation.
    Plain,
    /// With the same vectors for the whole batch.
    Batch,
    /// With vectors for each image of `pixels` pixels; `affine` has `before` images before the operand's first.
    Image { pixels: usize, before: usize },
}

impl Prologue {
    /// Of an input: none, or a norm and an activation. The files define `input_vectors`, `input_through` and `input_at`.
    pub(crate) fn input(channels: usize, normalize: Option<BatchNormNormalize>) -> Self {
        let norm = match normalize {
            None => Norm::Plain,
            Some(BatchNormNormalize { images: None, .. }) => Norm::Batch,
            Some(BatchNormNormalize { images: Some(images), rows, .. }) => {
                Norm::Image { pixels: rows / images, before: 0 }
            }
        };
        let activation = normalize.and_then(|normalize| normalize.activation);
        Self { operand: "input", norm, channels, elem: Elem::of(channels), activation }
    }

    /// The same for an operand that begins `images` images after the first of `affine`.
    pub(crate) fn after(self, images: usize) -> Self {
        match self.norm {
            Norm::Image { pixels, .. } => Self { norm: Norm::Image { pixels, before: images }, ..self },
            _ => self,
        }
    }

    /// Of the gradient of an output: none, or the backward pass of this activation and batch norm. The files define
    /// `grad_vectors` and `grad_at`.
    pub(crate) fn grad(channels: usize, activation: Option<Activation>) -> Self {
        let norm = if activation.is_some() { Norm::Batch } else { Norm::Plain };
        Self { operand: "grad", norm, channels, elem: Elem::of(channels), activation }
    }

    /// The same, loaded as `elem` instead of the widest that fits.
    pub(crate) fn read_as(self, elem: Elem) -> Self {
        Self { elem, ..self }
    }

    /// Its files.
    pub(crate) fn files(self) -> Vec<Fragment> {
        let file = match (self.operand, self.norm) {
            ("input", Norm::Plain) => return vec![INPUT_PLAIN],
            ("input", Norm::Batch) => INPUT_NORM_ACTIVATION,
            ("input", Norm::Image { .. }) => INPUT_IMAGE_NORM_ACTIVATION,
            (_, Norm::Plain) => return vec![GRAD_PLAIN],
            _ => GRAD_NORM_ACTIVATION,
        };
        vec![activation::file(self.activation).of(self.operand), file]
    }

    /// Its files for products on matrix units, which load eight values at once.
    pub(crate) fn cooperative_files(self) -> Vec<Fragment> {
        let file = match (self.operand, self.norm) {
            ("input", Norm::Plain) => return vec![INPUT_PLAIN_COOPERATIVE],
            ("input", Norm::Batch) => INPUT_NORM_ACTIVATION_COOPERATIVE,
            ("input", Norm::Image { .. }) => INPUT_IMAGE_NORM_ACTIVATION_COOPERATIVE,
            (_, Norm::Plain) => return vec![GRAD_PLAIN_COOPERATIVE],
            _ => GRAD_NORM_ACTIVATION_COOPERATIVE,
        };
        vec![activation::file(self.activation).of(self.operand), file]
    }

    /// The f32 of workgroup memory that a channel's vectors take in those files.
    pub(crate) fn cooperative_vectors(self) -> usize {
        match (self.operand, self.norm) {
            (_, Norm::Plain | Norm::Image { .. }) => 0,
            ("input", Norm::Batch) => 3,
            _ => 5,
        }
    }

    /// The constants and aliases of the files.
    pub(crate) fn constants(self, storage: DType, source: Source) -> Source {
        let upper = self.operand.to_uppercase();
        let source = self.elem.named(storage, self.operand, source);
        let channels = self.channels / self.elem.lanes();
        let source = source.constant(&format!("{upper}_C"), channels);
        let source = match self.norm {
            Norm::Image { pixels, before } => source
                .constant(&format!("{upper}_IMAGE"), pixels * channels)
                .constant(&format!("{upper}_IMAGES_BEFORE"), before),
            _ => source,
        };
        activation::slope(self.activation, &format!("{upper}_SLOPE"), source)
    }
}
