//! `vgg export`: converts a trained network for other programs.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use super::{Usage, args, eval, output::note};
use crate::{dtype::DType, export::write_onnx, model::Norm, weights::write_weights};

/// `vgg export`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(flatten)]
    weights: args::WeightsFlag,
    /// The format to write.
    #[arg(long, value_enum)]
    format: Format,
    /// The new file.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Fold each batch norm into the convolution before it (ONNX).
    #[arg(long)]
    fold_batch_norm: bool,
    /// The type of the stored values (safetensors).
    #[arg(long, value_enum, default_value_t = Dtype::F32)]
    dtype: Dtype,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Opset 17, any batch size, normalised input; the normalisation is in the file's metadata.
    Onnx,
    /// For PyTorch's load_state_dict.
    Safetensors,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Dtype {
    F32,
    /// Half the size; this program and PyTorch convert it on loading.
    F16,
}

/// Runs `vgg export`.
pub(super) fn run(flags: &Flags, quiet: bool) -> Result<()> {
    match flags.format {
        Format::Onnx if flags.dtype == Dtype::F16 => {
            bail!(Usage("--dtype f16 is for --format safetensors; ONNX files are written in f32".to_owned()))
        }
        Format::Safetensors if flags.fold_batch_norm => {
            let text = "--fold-batch-norm is for --format onnx; safetensors keep torchvision's names, batch norms included";
            bail!(Usage(text.to_owned()))
        }
        _ => {}
    }
    let output = &flags.output;
    if output.exists() {
        bail!("{} already exists; give another --output", output.display());
    }
    let weights = eval::read_weights(&flags.weights, quiet)?;
    let config = &weights.network.config;
    if flags.fold_batch_norm && config.norm() != Norm::Batch {
        bail!(Usage(format!(
            "--fold-batch-norm has nothing to fold: the weights are of a {config}; leave it out"
        )))
    }
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
            weights.network.config,
            weights.info.channels,
            weights.info.class_names.len()
        ),
    );
    Ok(())
}
