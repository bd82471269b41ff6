//! The output channels of each convolution, for networks outside the family's table.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The most channels of a convolution, and the most convolutions.
const CHANNELS: usize = 8192;
const CONVOLUTIONS: usize = 64;

/// The output channels of each convolution, in blocks that a pooling layer ends: `64,64,M,128,M` as text.
///
/// # Source
/// The lists `cfgs` of torchvision's vgg.py.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Widths(Vec<Vec<usize>>);

impl Widths {
    /// The form, for messages.
    pub(crate) const FORM: &str = "a list such as 64,64,M,128,128,M: channels of the convolutions (1 to 8192), with an M for each pooling layer, also at the end";

    /// Widths in blocks; `None` if a block is empty or a number is out of range.
    pub fn new(blocks: Vec<Vec<usize>>) -> Option<Self> {
        let all = || blocks.iter().flatten();
        let fits = all().all(|channels| (1..=CHANNELS).contains(channels)) && all().count() <= CONVOLUTIONS;
        (fits && !blocks.is_empty() && blocks.iter().all(|block| !block.is_empty())).then_some(Self(blocks))
    }

    /// The output channels of the convolutions of each block.
    pub fn blocks(&self) -> &[Vec<usize>] {
        &self.0
    }
}

impl fmt::Display for Widths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words =
            self.0.iter().flat_map(|block| block.iter().map(usize::to_string).chain([String::from("M")]));
        f.write_str(&words.collect::<Vec<_>>().join(","))
    }
}

impl FromStr for Widths {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("widths is {text:?}, but must be {}", Self::FORM);
        let list =
            text.strip_suffix('M').ok_or_else(wrong)?.trim_end().strip_suffix(',').ok_or_else(wrong)?;
        let block = |block: &str| block.split(',').map(|word| word.trim().parse().ok()).collect();
        let blocks: Option<Vec<Vec<usize>>> = list.replace(' ', "").split(",M,").map(block).collect();
        blocks.and_then(Self::new).ok_or_else(wrong)
    }
}

impl TryFrom<String> for Widths {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Widths> for String {
    fn from(widths: Widths) -> Self {
        widths.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let widths: Widths = "8,16,M,24,M".parse().unwrap();
        assert_eq!(widths.blocks(), [vec![8, 16], vec![24]]);
        assert_eq!(widths.to_string(), "8,16,M,24,M");
        assert_eq!("8, 16, M, 24, M".parse(), Ok(widths));
        for wrong in
            ["", "M", "8", "8,16", "8,M,M", "M,8,M", "8,,M", "0,M", "8193,M", "8,m", "8,M,", "8M", "-8,M"]
        {
            let error = wrong.parse::<Widths>().unwrap_err();
            assert!(error.contains(&format!("{wrong:?}")) && error.contains("64,64,M"), "{error}");
        }
        assert!(vec!["8"; 65].join(",").parse::<Widths>().is_err());
    }
}
