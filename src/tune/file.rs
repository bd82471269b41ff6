//! A tuning file: the fastest variants of one adapter with one driver, as text.

use std::{collections::BTreeMap, fs, io, path::Path};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    files::write_text,
    gpu::DeviceInfo,
    kernels::{TABLE, Tuned, variants},
};

/// The version of the format: the only one that this program reads.
const FORMAT: u32 = 1;

const HEAD: &str = "# The fastest kernel variants of one device, as `vgg tune` measured them.\n\
    # Without this file, or with --tuning off, a rule by device class and shape decides.\n\n";

/// The fastest variants of one adapter with one driver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TuningFile {
    format: u32,
    /// [`TABLE`] at the time of the measurement.
    kernels: String,
    adapter: Identity,
    #[serde(default)]
    choice: Vec<Choice>,
}

/// The fields that identify an adapter and its driver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    name: String,
    backend: String,
    vendor_id: u32,
    device_id: u32,
    driver: String,
    driver_info: String,
}

/// One shape of one operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The operation, as `conv.forward`.
    pub op: String,
    /// As [`Tuned::shape`].
    pub shape: String,
    /// The fastest variant.
    pub variant: String,
    /// The measured time of each variant in microseconds.
    pub microseconds: BTreeMap<String, f64>,
}

/// Why a tuning file is ignored.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Ignored {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// The text is not in the format that `vgg tune` writes.
    #[error("it is not a tuning file: {0}")]
    Malformed(String),
    /// The kernels have changed since the measurement.
    #[error("it was measured with other kernels (table {found}, here {TABLE}); run `vgg tune` again")]
    Stale {
        /// The kernel table in the file.
        found: String,
    },
    /// Another adapter or driver.
    #[error("it was measured on another device or driver ({what} {found:?}, here {here:?})")]
    Foreign {
        /// The first field that differs.
        what: &'static str,
        /// Its value in the file.
        found: String,
        /// Its value on this device.
        here: String,
    },
}

impl Identity {
    fn of(info: &DeviceInfo) -> Self {
        Self {
            name: info.name.clone(),
            backend: info.backend.to_string(),
            vendor_id: info.vendor_id,
            device_id: info.device_id,
            driver: info.driver.clone(),
            driver_info: info.driver_info.clone(),
        }
    }

    fn facts(&self) -> [(&'static str, String); 6] {
        [
            ("name", self.name.clone()),
            ("backend", self.backend.clone()),
            ("vendor_id", format!("{:#06x}", self.vendor_id)),
            ("device_id", format!("{:#06x}", self.device_id)),
            ("driver", self.driver.clone()),
            ("driver_info", self.driver_info.clone()),
        ]
    }
}

impl TuningFile {
    /// An empty file for a device.
    pub fn new(info: &DeviceInfo) -> Self {
        Self { format: FORMAT, kernels: TABLE.into(), adapter: Identity::of(info), choice: Vec::new() }
    }

    /// Parses the text of a file and checks that it is for this program's kernels and this device.
    ///
    /// # Errors
    /// [`Ignored`].
    pub fn parse(text: &str, info: &DeviceInfo) -> Result<Self, Ignored> {
        let malformed = |error: toml::de::Error| Ignored::Malformed(first_line(error.message()));
        let table: toml::Table = text.parse().map_err(malformed)?;
        // The version first: everything else may differ in another version.
        match table.get("format").and_then(toml::Value::as_integer) {
            Some(format) if format == i64::from(FORMAT) => {}
            Some(other) => {
                return Err(Ignored::Malformed(format!("format {other}, this program reads {FORMAT}")));
            }
            None => return Err(Ignored::Malformed("`format` is missing or not a number".to_owned())),
        }
        match table.get("kernels").and_then(toml::Value::as_str) {
            Some(TABLE) => {}
            Some(other) => return Err(Ignored::Stale { found: other.to_owned() }),
            None => return Err(Ignored::Malformed("`kernels` is missing or not a string".to_owned())),
        }
        let file: Self = table.try_into().map_err(malformed)?;
        let (found, here) = (file.adapter.facts(), Identity::of(info).facts());
        for ((what, found), (_, here)) in found.into_iter().zip(here) {
            if found != here {
                return Err(Ignored::Foreign { what, found, here });
            }
        }
        for Choice { op, variant, .. } in &file.choice {
            if !variants().any(|row| row.op == op && row.name == variant) {
                return Err(Ignored::Malformed(format!("there is no variant {op}={variant}")));
            }
        }
        Ok(file)
    }

    /// As [`TuningFile::parse`], from a file.
    ///
    /// # Errors
    /// [`Ignored`].
    pub fn read(path: &Path, info: &DeviceInfo) -> Result<Self, Ignored> {
        let text = fs::read_to_string(path).map_err(|error| Ignored::Unreadable(error.to_string()))?;
        Self::parse(&text, info)
    }

    /// Adds a measurement; replaces an earlier one of the same shape.
    pub fn set(&mut self, choice: Choice) {
        let key = |c: &Choice| (c.op.clone(), c.shape.clone());
        match self.choice.binary_search_by_key(&key(&choice), key) {
            Ok(at) => self.choice[at] = choice,
            Err(at) => self.choice.insert(at, choice),
        }
    }

    /// The number of shapes.
    pub fn len(&self) -> usize {
        self.choice.len()
    }

    /// Whether there are no shapes.
    pub fn is_empty(&self) -> bool {
        self.choice.is_empty()
    }

    /// Adds the file's choices to `tuned`.
    pub fn add_to(&self, tuned: &mut Tuned) {
        for Choice { op, shape, variant, .. } in &self.choice {
            tuned.set(op, shape, variant);
        }
    }

    /// Writes the file atomically; creates the folder if it is missing.
    ///
    /// # Errors
    /// The system's error.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let body = toml::to_string(self).map_err(io::Error::other)?;
        write_text(path, &(HEAD.to_owned() + &body)).map_err(|failure| failure.error)
    }
}

fn first_line(text: &str) -> String {
    text.trim().lines().next().unwrap_or_default().to_owned()
}
