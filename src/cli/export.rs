//! `vgg export`: converts a trained network for other programs.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use super::{Usage, args, eval, output::note};
use crate::{
    dtype::DType,
    export::{
        Card, Ends, HubError, check_hub_folder, timm_lacks, write_hub, write_onnx, write_quantized_onnx,
    },
    model::{Norm, VggConfig},
    weights::{ModelInfo, Trained, write_weights},
};

/// `vgg export`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(flatten)]
    weights: args::WeightsFlag,
    /// The format to write.
    #[arg(long, value_enum)]
    format: Format,
    /// The new file, or with --format hub the new folder.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Fold each batch norm into the convolution before it (ONNX).
    #[arg(long)]
    fold_batch_norm: bool,
    /// The weights are a file of `vgg quantize`: write its 8-bit integers, with QuantizeLinear and DequantizeLinear around each operator
    /// (ONNX).
    #[arg(long)]
    quantized: bool,
    /// Take bytes `[N, C, H, W]` as the input `image`, and normalise them in the graph (ONNX).
    #[arg(long)]
    bytes_in: bool,
    /// Answer with probabilities, at the weights' temperature: a softmax in the graph (ONNX).
    #[arg(long)]
    softmax: bool,
    /// The type of the stored values (safetensors, hub).
    #[arg(long, value_enum, default_value_t = Dtype::F32)]
    dtype: Dtype,
    /// The licence on the model card, by the hub's name (hub). Unset, this program's for weights that it trained, else none.
    #[arg(long, value_name = "NAME")]
    license: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Opset 17, any batch size, normalised input; the normalisation is in the file's metadata.
    Onnx,
    /// For PyTorch's load_state_dict.
    Safetensors,
    /// A folder for the Hugging Face hub: weights, config.json and a model card; for `timm.create_model("local-dir:FOLDER")` where timm
    /// has the network.
    Hub,
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
        _ if flags.license.is_some() && flags.format != Format::Hub => {
            bail!(Usage("--license is for the model card of --format hub; leave it out".to_owned()))
        }
        Format::Safetensors | Format::Hub if flags.quantized || flags.bytes_in || flags.softmax => {
            let text = "--quantized, --bytes-in and --softmax are for --format onnx; a file of `vgg quantize` is safetensors already";
            bail!(Usage(text.to_owned()))
        }
        Format::Onnx if flags.quantized && flags.fold_batch_norm => {
            bail!(Usage(
                "--fold-batch-norm with --quantized: quantised networks have no batch norm; leave it out"
                    .to_owned()
            ))
        }
        Format::Safetensors | Format::Hub if flags.fold_batch_norm => {
            let text = "--fold-batch-norm is for --format onnx; safetensors keep torchvision's names, batch norms included";
            bail!(Usage(text.to_owned()))
        }
        _ => {}
    }
    let output = &flags.output;
    if flags.format == Format::Hub {
        check_hub_folder(output).map_err(refused)?;
    } else if output.exists() {
        bail!("{} already exists; give another --output", output.display());
    }
    let ends = Ends { bytes: flags.bytes_in, softmax: flags.softmax };
    if flags.quantized {
        let Trained::Quantized(weights) = eval::read_trained(&flags.weights, quiet)? else {
            let text = "--quantized needs --weights FILE, a file that `vgg quantize` wrote";
            bail!(Usage(text.to_owned()))
        };
        write_quantized_onnx(output, &weights, ends)?;
        wrote(output, &weights.info, &weights.quantized.network.config, quiet);
        return Ok(());
    }
    let weights = eval::read_weights(&flags.weights, quiet)?;
    let config = &weights.network.config;
    if config.qat && flags.format != Format::Safetensors {
        let text = "the weights are of quantisation-aware training, whose roundings a float file lacks: vgg quantize them, then export the \
                    result with --format onnx --quantized";
        bail!(Usage(text.to_owned()))
    }
    let folded = match flags.fold_batch_norm {
        true if config.norm() == Norm::Batch => weights.folded(),
        true => bail!(Usage(format!(
            "--fold-batch-norm has nothing to fold: the weights are of a {config}; leave it out"
        ))),
        false => None,
    };
    let dtype = if flags.dtype == Dtype::F16 { DType::F16 } else { DType::F32 };
    match flags.format {
        Format::Onnx => write_onnx(output, folded.as_ref().unwrap_or(&weights), ends)?,
        Format::Safetensors => write_weights(output, &weights, dtype)?,
        Format::Hub => {
            let card = Card::of(flags.weights.weights.as_deref(), &weights, flags.license.as_deref());
            write_hub(output, &weights, dtype, &card).map_err(refused)?;
        }
    }
    wrote(output, &weights.info, config, quiet);
    if flags.format == Format::Hub {
        let text = match timm_lacks(&weights.network) {
            None => format!("timm.create_model(\"local-dir:{}\", pretrained=True)", output.display()),
            Some(lacks) => format!("timm has no VGG with {lacks}; README.md shows how PyTorch builds it"),
        };
        note(quiet, &format!("load      {text}"));
    }
    Ok(())
}

/// A folder in the way is an error of the request.
fn refused(error: HubError) -> anyhow::Error {
    match error {
        HubError::Exists { .. } => Usage(error.to_string()).into(),
        other => other.into(),
    }
}

fn wrote(output: &Path, info: &ModelInfo, config: &VggConfig, quiet: bool) {
    let [h, w] = info.image_size;
    let (channels, classes) = (info.channels, info.class_names.len());
    let text = format!(
        "wrote     {}: {config}, input [N, {channels}, {h}, {w}], {classes} classes",
        output.display()
    );
    note(quiet, &text);
}
