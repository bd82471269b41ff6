//! What can be wrong with a configuration.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::{data::DataError, model::NetworkError};

/// A configuration that cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// No recipe of this name.
    #[error("there is no recipe {name:?}; there are {known}, or give a file such as ./{name}.toml")]
    UnknownRecipe {
        /// The name given.
        name: String,
        /// The known names.
        known: String,
    },
    /// A recipe file cannot be read.
    #[error("cannot read recipe {path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// A key that does not exist.
    #[error("{origin}: unknown key {key:?}; {hint}")]
    UnknownKey {
        /// The recipe.
        origin: String,
        /// The key.
        key: String,
        /// The nearest key, or all of them.
        hint: String,
    },
    /// Text that is not TOML, or a value of the wrong type.
    #[error("{origin}, line {line}, `{text}`: {message}")]
    Parse {
        /// The recipe.
        origin: String,
        /// The line, counted from 1.
        line: usize,
        /// The line's text.
        text: String,
        /// What is wrong with it.
        message: String,
    },
    /// A flag's value of the wrong type.
    #[error("{message}")]
    Flag {
        /// What is wrong with it.
        message: String,
    },
    /// A value outside its range.
    #[error("{key} is {value}, but must be {range}")]
    Range {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        range: String,
    },
    /// A value that has no effect with the other values.
    #[error("{name} is {value}, but {why}: give {give}, or leave {name} out")]
    NoEffect {
        /// The key or the flag.
        name: String,
        /// Its value.
        value: String,
        /// Why it has none.
        why: String,
        /// The flag that would give it one.
        give: String,
    },
    /// The network cannot be built.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The data set cannot be named.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Flags that contradict the run to be resumed.
    #[error(
        "the run to be resumed was started with other settings: {conflicts}. Leave these flags out, or start a new run without --resume{}",
        match .spread {
            Some(schedule) => format!(
                "; a {schedule} is spread over all epochs, so for more of them start from this run's weights: \
                 --weights best.safetensors --epochs N"
            ),
            None => String::new(),
        }
    )]
    Resume {
        /// The flags, with both values.
        conflicts: String,
        /// The schedule that fixes the number of epochs, if that is among the conflicts.
        spread: Option<&'static str>,
    },
}

impl ConfigError {
    pub(super) fn parse(origin: &str, text: &str, error: &toml::de::Error) -> Self {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = text.as_bytes()[..start].iter().filter(|&&byte| byte == b'\n').count();
        let message = error.message().trim().replace('\n', ", ");
        let text = text.lines().nth(line).unwrap_or("").trim().to_owned();
        Self::Parse { origin: origin.into(), line: line + 1, text, message }
    }
}
