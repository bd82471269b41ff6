//! A folder for the Hugging Face hub: weights, their configuration and a model card.

use std::{fs, io, path::Path};

use serde_json::{Value, json};
use thiserror::Error;

use super::{
    card::{self, Card},
    timm::timm_lacks,
};
use crate::{
    dtype::DType,
    files::{self, FileError},
    model::Network,
    weights::{ModelInfo, StoreError, Weights, write_timm_weights, write_weights},
};

/// A folder that cannot be written.
#[derive(Debug, Error)]
pub enum HubError {
    /// The folder has files already, or it is a file itself.
    #[error("{path} already exists; name a new or an empty folder (--output), or remove it")]
    Exists {
        /// The path.
        path: String,
    },
    /// The system refuses.
    #[error(transparent)]
    File(#[from] FileError),
    /// The weights cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Checks that the folder is new or empty.
///
/// # Errors
/// [`HubError::Exists`], or [`HubError::File`] if it cannot be read.
pub fn check_hub_folder(path: &Path) -> Result<(), HubError> {
    let exists = || HubError::Exists { path: path.display().to_string() };
    match fs::read_dir(path) {
        Ok(mut entries) => entries.next().map_or(Ok(()), |_| Err(exists())),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => Ok(()),
        Err(_) if !path.is_dir() => Err(exists()),
        Err(error) => Err(FileError::new("read", path, error).into()),
    }
}

/// Writes `model.safetensors`, `config.json` and `README.md` into a new or empty folder, all or nothing. For the networks that timm has
/// ([`timm_lacks`]) names, shapes and configuration are timm's, and `timm.create_model("local-dir:FOLDER", pretrained=True)` reads
/// them; for others the names are torchvision's, and the card shows how PyTorch builds the network.
///
/// # Errors
/// [`HubError`]; nothing is left then.
///
/// # Source
/// timm 1.0: `timm/models/vgg.py`, and `save_for_hf` in `timm/models/_hub.py`.
pub fn write_hub(path: &Path, weights: &Weights, dtype: DType, card: &Card) -> Result<(), HubError> {
    check_hub_folder(path)?;
    let (network, info) = (&weights.network, &weights.info);
    let for_timm = timm_lacks(network).is_none();
    let config = if for_timm { timm_config(network, info) } else { config(network, info) };
    let config = serde_json::to_string_pretty(&config).expect("a tree of strings and numbers") + "\n";
    files::write_folder(path, |folder| {
        let model = folder.join("model.safetensors");
        match for_timm {
            true => write_timm_weights(&model, weights, dtype)?,
            false => write_weights(&model, weights, dtype)?,
        }
        files::write_text(&folder.join("config.json"), &config)?;
        files::write_text(&folder.join("README.md"), &card::text(card, weights))?;
        Ok(())
    })
}

/// How pictures become inputs, by timm's names.
fn preprocessing(info: &ModelInfo) -> Value {
    let ([h, w], resized) = (info.image_size, info.resize_size);
    // The shortest decimals: 0.485, not the f64 next to its f32.
    let decimals =
        |values: &[f32]| values.iter().filter_map(|v| v.to_string().parse().ok()).collect::<Vec<f64>>();
    json!({
        "input_size": [info.channels, h, w],
        "interpolation": "bilinear",
        "crop_pct": resized.map_or(1.0, |resized| h as f64 / resized as f64),
        "crop_mode": if resized.is_some() { "center" } else { "squash" },
        "mean": decimals(&info.mean),
        "std": decimals(&info.std),
    })
}

/// `config.json` as timm reads it.
fn timm_config(network: &Network, info: &ModelInfo) -> Value {
    let classes = network.config.classes;
    let mut pretrained = preprocessing(info);
    pretrained["fixed_input_size"] = false.into();
    pretrained["num_classes"] = classes.into();
    pretrained["pool_size"] = json!([7, 7]);
    pretrained["first_conv"] = "features.0".into();
    pretrained["classifier"] = "head.fc".into();
    let mut config = json!({
        "architecture": network.config.model.name(),
        "num_classes": classes,
        "num_features": network.config.blocks().concat().last(),
        "label_names": info.class_names,
        "pretrained_cfg": pretrained,
    });
    if info.channels != 3 {
        config["model_args"] = json!({ "in_chans": info.channels });
    }
    config
}

/// `config.json` for a network that timm lacks: no key that would make a program take it for timm's.
fn config(network: &Network, info: &ModelInfo) -> Value {
    let config = &network.config;
    let mut all = preprocessing(info);
    all["library_name"] = env!("CARGO_PKG_NAME").into();
    all["network"] = config.to_string().into();
    all["widths"] = config.blocks().into();
    all["hidden_features"] = config.hidden().into();
    all["class_names"] = info.class_names.as_slice().into();
    all
}
