//! The normalisation after each convolution.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The normalisation after each convolution, by its word in recipes and flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Norm {
    /// Over a batch, each channel by itself: `batch`.
    Batch,
    /// Over an image, all channels at once: `layer`.
    Layer,
    /// Over an image, in this many groups of channels: `group:G`.
    Group(usize),
    /// Over the channels of each pixel, as in ConvNeXt: `layer2d`.
    Layer2d,
    /// None: `none`.
    None,
}

impl Norm {
    /// The words, as a list for messages.
    pub(crate) const WORDS: &str = "batch, layer, group:G (in G groups of channels), layer2d or none";

    /// The eps of its framework: PyTorch's for group norm, ConvNeXt's for layer norm at each pixel.
    pub(super) fn eps(self) -> f32 {
        if self == Self::Layer2d { 1e-6 } else { 1e-5 }
    }

    /// The number of groups of channels, if it is computed for each image or pixel by itself.
    pub(super) fn groups(self) -> Option<usize> {
        match self {
            Self::Layer | Self::Layer2d => Some(1),
            Self::Group(groups) => Some(groups),
            Self::Batch | Self::None => None,
        }
    }

    /// As a heading names it: `layer norm`.
    pub fn title(self) -> String {
        match self {
            Self::Batch => "batch norm".into(),
            Self::Layer => "layer norm".into(),
            Self::Group(groups) => format!("group norm, {groups} groups"),
            Self::Layer2d => "layer norm at each pixel".into(),
            Self::None => "none".into(),
        }
    }
}

impl fmt::Display for Norm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch => f.write_str("batch"),
            Self::Layer => f.write_str("layer"),
            Self::Group(groups) => write!(f, "group:{groups}"),
            Self::Layer2d => f.write_str("layer2d"),
            Self::None => f.write_str("none"),
        }
    }
}

impl FromStr for Norm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let groups = text.strip_prefix("group:").and_then(|groups| groups.parse().ok());
        match (text, groups) {
            ("batch", _) => Ok(Self::Batch),
            ("layer", _) => Ok(Self::Layer),
            ("layer2d", _) => Ok(Self::Layer2d),
            ("none", _) => Ok(Self::None),
            (_, Some(groups @ 1..)) => Ok(Self::Group(groups)),
            _ => Err(format!("norm is {text:?}, but must be {}", Self::WORDS)),
        }
    }
}

impl TryFrom<String> for Norm {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Norm> for String {
    fn from(norm: Norm) -> Self {
        norm.to_string()
    }
}
