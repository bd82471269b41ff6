//! Prologues: transforms of an operand's values as a kernel loads them, common to all mainloops and Winograd's transforms.

use super::parts::Elem;
use crate::{
    dtype::DType,
    ops::{Activation, activation_kernels as activation},
    shader::{Fragment, Source, fragment},
};

const INPUT_PLAIN: Fragment = fragment!("prologue/input_plain.wgsl");
const INPUT_NORM_ACTIVATION: Fragment = fragment!("prologue/input_norm_activation.wgsl");
const GRAD_PLAIN: Fragment = fragment!("prologue/grad_plain.wgsl");
const GRAD_NORM_ACTIVATION: Fragment = fragment!("prologue/grad_norm_activation.wgsl");

/// The prologue of an operand whose rows have this many channels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prologue {
    operand: &'static str,
    /// Without batch norm and an activation, and with them.
    files: [Fragment; 2],
    channels: usize,
    elem: Elem,
    activation: Option<Activation>,
}

impl Prologue {
    /// Of an input: none, or batch norm and this activation. The files define `input_vectors`, `input_through` and `input_at`.
    pub(crate) fn input(channels: usize, activation: Option<Activation>) -> Self {
        let files = [INPUT_PLAIN, INPUT_NORM_ACTIVATION];
        Self { operand: "input", files, channels, elem: Elem::of(channels), activation }
    }

    /// Of the gradient of an output: none, or the backward pass of this activation and batch norm. The files define
    /// `grad_vectors` and `grad_at`.
    pub(crate) fn grad(channels: usize, activation: Option<Activation>) -> Self {
        let files = [GRAD_PLAIN, GRAD_NORM_ACTIVATION];
        Self { operand: "grad", files, channels, elem: Elem::of(channels), activation }
    }

    /// The same, loaded as `elem` instead of the widest that fits.
    pub(crate) fn read_as(self, elem: Elem) -> Self {
        Self { elem, ..self }
    }

    /// Its files.
    pub(crate) fn files(self) -> Vec<Fragment> {
        let [plain, norm_activation] = self.files;
        match self.activation {
            None => vec![plain],
            activation => vec![activation::file(activation).of(self.operand), norm_activation],
        }
    }

    /// The constants and aliases of those files.
    pub(crate) fn constants(self, storage: DType, source: Source) -> Source {
        let upper = self.operand.to_uppercase();
        let source = self.elem.named(storage, self.operand, source);
        let source = source.constant(&format!("{upper}_C"), self.channels / self.elem.lanes());
        activation::slope(self.activation, &format!("{upper}_SLOPE"), source)
    }
}
