//! The metadata of a file of weights: what the file is, and its network.

use serde::{Deserialize, Serialize};

use super::{FORMAT_VERSION, entries::AVERAGE, error::WeightsError, info::ModelInfo, store::TensorFile};

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// Only weights.
    Weights,
    /// Weights and everything needed to resume the run.
    Checkpoint,
    /// A network on 8-bit integers.
    Quantized,
}

/// The metadata common to both kinds of file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Description {
    pub version: u32,
    pub kind: Kind,
    pub model: ModelInfo,
}

impl Description {
    pub fn new(kind: Kind, model: &ModelInfo) -> Self {
        Self { version: FORMAT_VERSION, kind, model: model.clone() }
    }

    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a description is tables of TOML values")
    }
}

/// Reads one table of the metadata, after checking the version.
pub(super) fn metadata<T: for<'de> Deserialize<'de>>(file: &TensorFile) -> Result<Option<T>, WeightsError> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let Some(text) = &file.metadata else { return Ok(None) };
    let damaged = |error: toml::de::Error| {
        let message = error.message().trim().replace('\n', ", ");
        WeightsError::Metadata { path: file.path().to_owned(), message }
    };
    let Version { version: found } = toml::from_str(text).map_err(damaged)?;
    if found != FORMAT_VERSION {
        return Err(WeightsError::Version { path: file.path().to_owned(), found });
    }
    toml::from_str(text).map(Some).map_err(damaged)
}

/// The name prefix of the weights to read from a file: a checkpoint may contain averaged weights next to its own.
pub(super) fn prefix(kind: Kind, file: &TensorFile) -> &'static str {
    if kind == Kind::Checkpoint && file.has_prefix(AVERAGE) { AVERAGE } else { "" }
}
