//! `vgg export`: a trained network for other programs.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use super::{Usage, args, eval, output::note};
use crate::{
    dtype::DType,
    train::{write_onnx, write_weights},
};

/// `vgg export`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(flatten)]
    weights: args::WeightsFlag,
    /// What to write.
    #[arg(long, value_enum)]
    format: Format,
    /// The new file.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Make batch norms part of the convolutions in front of them (ONNX).
    #[arg(long)]
    fold_batch_norm: bool,
    /// What values are stored as (safetensors).
    #[arg(long, value_enum, default_value_t = Dtype::F32)]
    dtype: Dtype,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Opset 17, any batch, normalised input; the normalisation is in the file's metadata.
    Onnx,
    /// What PyTorch's load_state_dict takes.
    Safetensors,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Dtype {
    F32,
    /// Half the size; this program and PyTorch widen it on loading.
    F16,
}

/// Runs `vgg export`.
pub(super) fn run(flags: &Flags, quiet: bool) -> Result<()> {
    match flags.format {
        Format::Onnx if flags.dtype == Dtype::F16 => {
            bail!(Usage("--dtype f16 is for --format safetensors; an ONNX file holds f32".to_owned()))
        }
        Format::Safetensors if flags.fold_batch_norm => {
            let text = "--fold-batch-norm is for --format onnx; safetensors keep torchvision's names, batch norms included";
            bail!(Usage(text.to_owned()))
        }
        _ => {}
    }
    let output = &flags.output;
    if output.exists() {
        bail!("{} is there already, and is left as it is; give another --output", output.display());
    }
    let weights = eval::read_weights(&flags.weights, quiet)?;
    match flags.format {
        Format::Onnx => write_onnx(output, &weights, flags.fold_batch_norm)?,
        Format::Safetensors => {
            let dtype = if flags.dtype == Dtype::F16 { DType::F16 } else { DType::F32 };
            write_weights(output, &weights, dtype)?;
        }
    }
    let [h, w] = weights.info.image_size;
    note(
        quiet,
        &format!(
            "wrote     {}: {}, input [N, {}, {h}, {w}], {} classes",
            output.display(),
            weights.info.model,
            weights.info.channels,
            weights.info.class_names.len()
        ),
    );
    Ok(())
}
