//! Safetensors files: written one tensor at a time, read whole and checked before anything is used.

use std::{
    collections::{BTreeSet, HashMap},
    fs, io,
    io::Write,
    ops::Range,
    path::{Path, PathBuf},
};

use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo};
use thiserror::Error;

use crate::files::{FileError, write_whole};

/// The metadata entry for all of this project's metadata. It is a single entry so that equal contents are equal bytes.
const ENTRY: &str = "vgg_wgpu";

/// A file of tensors that cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The system refuses.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not a complete safetensors file.
    #[error(
        "{path} is not a complete safetensors file: {message}. Copy it again, or take another checkpoint"
    )]
    Format {
        /// The file.
        path: String,
        /// The parser's error.
        message: String,
    },
    /// The tensors are not the expected ones.
    #[error("{path} does not fit {what}:\n  {}", .differences.join("\n  "))]
    Tensors {
        /// The file.
        path: String,
        /// The expected network.
        what: String,
        /// Every difference.
        differences: Vec<String>,
    },
    /// A value is NaN or infinite.
    #[error(
        "{path}: tensor {tensor} is {value} at element {element}; a network with such values cannot be used"
    )]
    NotFinite {
        /// The file.
        path: String,
        /// The tensor.
        tensor: String,
        /// The first such element.
        element: usize,
        /// Its value.
        value: f32,
    },
}

/// A tensor as a file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
}

impl Entry {
    pub fn f32(name: String, shape: &[usize]) -> Self {
        Self { name, dtype: Dtype::F32, shape: shape.to_vec() }
    }

    pub fn i64(name: String) -> Self {
        Self { name, dtype: Dtype::I64, shape: Vec::new() }
    }

    fn is_float(&self) -> bool {
        matches!(self.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16)
    }

    fn bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.bitsize() / 8
    }
}

/// Writes tensors and the project's metadata; `data` returns the bytes of the tensor with an index.
///
/// Tensors of 8-byte elements must come first, so that all tensors are aligned. Only one tensor at a time is in memory.
///
/// # Errors
/// [`StoreError::File`] if the file cannot be written, [`StoreError::NotFinite`] if a float is NaN or infinite, and the
/// errors of `data`. An existing file is then unchanged.
pub(super) fn write<E: From<StoreError>>(
    path: &Path,
    metadata: &str,
    entries: &[Entry],
    mut data: impl FnMut(usize) -> Result<Vec<u8>, E>,
) -> Result<(), E> {
    struct Failure<E>(E);
    impl<E: From<StoreError>> From<FileError> for Failure<E> {
        fn from(error: FileError) -> Self {
            Self(StoreError::from(error).into())
        }
    }
    let header = header(metadata, entries);
    let io = |error: io::Error| FileError::new("write", path, error);
    let written = write_whole(path, |writer: &mut dyn Write| {
        writer.write_all(&(header.len() as u64).to_le_bytes()).map_err(io)?;
        writer.write_all(header.as_bytes()).map_err(io)?;
        for (index, entry) in entries.iter().enumerate() {
            let bytes = data(index).map_err(Failure)?;
            assert_eq!(bytes.len(), entry.bytes(), "{}: data of the size of its shape", entry.name);
            finite(path, entry, &bytes).map_err(|error| Failure(error.into()))?;
            writer.write_all(&bytes).map_err(io)?;
        }
        Ok::<(), Failure<E>>(())
    });
    written.map_err(|Failure(error)| error)
}

fn header(metadata: &str, entries: &[Entry]) -> String {
    let mut offset = 0;
    let tensors = entries.iter().map(|entry| {
        let start = offset;
        offset += entry.bytes();
        let info =
            TensorInfo { dtype: entry.dtype, shape: entry.shape.clone(), data_offsets: (start, offset) };
        (entry.name.clone(), info)
    });
    let own = HashMap::from([(ENTRY.to_owned(), metadata.to_owned())]);
    let all = Metadata::new(Some(own), tensors.collect()).expect("offsets follow each other by construction");
    let mut text = serde_json::to_string(&all).expect("a header is strings and numbers");
    // The data start at a multiple of 8.
    text.push_str(&" ".repeat(text.len().next_multiple_of(8) - text.len()));
    text
}

/// A safetensors file in memory.
#[derive(Debug)]
pub(super) struct TensorFile {
    path: String,
    bytes: Vec<u8>,
    tensors: HashMap<String, (Entry, Range<usize>)>,
    /// The project's metadata; `None` in files from other programs.
    pub metadata: Option<String>,
}

impl TensorFile {
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        let path = &within(path);
        let bytes = fs::read(path).map_err(|error| FileError::new("read", path, error))?;
        Self::parse(path.display().to_string(), bytes)
    }

    /// Parses the bytes of a file; `path` names it in errors.
    pub fn parse(path: String, bytes: Vec<u8>) -> Result<Self, StoreError> {
        let (start, header) = SafeTensors::read_metadata(&bytes)
            .map_err(|error| StoreError::Format { path: path.clone(), message: error.to_string() })?;
        let metadata = header.metadata().as_ref().and_then(|own| own.get(ENTRY).cloned());
        let tensors = header.tensors().into_iter().map(|(name, info)| {
            let (from, to) = info.data_offsets;
            let at = start + 8;
            let entry = Entry { name: name.clone(), dtype: info.dtype, shape: info.shape.clone() };
            (name, (entry, from + at..to + at))
        });
        let tensors = tensors.collect();
        Ok(Self { path, bytes, tensors, metadata })
    }

    /// Tensors in memory; `path` names them in errors.
    pub fn of(path: String, all: impl Iterator<Item = (Entry, Vec<u8>)>) -> Self {
        let (mut bytes, mut tensors) = (Vec::new(), HashMap::new());
        for (entry, data) in all {
            let start = bytes.len();
            bytes.extend(data);
            tensors.insert(entry.name.clone(), (entry, start..bytes.len()));
        }
        Self { path, bytes, tensors, metadata: None }
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether any tensor's name has this prefix.
    pub fn has_prefix(&self, prefix: &str) -> bool {
        self.tensors.keys().any(|name| name.starts_with(prefix))
    }

    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|(entry, _)| entry.shape.as_slice())
    }

    /// Checks that the file contains all of `expected`, any of `optional`, nothing else except what `ignored` accepts, and
    /// only finite values. `what` names the expected network in errors.
    pub fn check(
        &self,
        what: &str,
        expected: &[Entry],
        optional: &[Entry],
        ignored: impl Fn(&str) -> bool,
    ) -> Result<(), StoreError> {
        let mut differences = Vec::new();
        for (entry, required) in expected.iter().map(|e| (e, true)).chain(optional.iter().map(|e| (e, false)))
        {
            let name = &entry.name;
            match self.tensors.get(name) {
                None if required => differences.push(format!("missing: {name} {:?}", entry.shape)),
                Some((found, _)) if found.shape != entry.shape => {
                    differences
                        .push(format!("wrong shape: {name} is {:?}, not {:?}", found.shape, entry.shape));
                }
                // Any float type will do; values are used as f32.
                Some((found, _)) if found.dtype != entry.dtype && !(entry.is_float() && found.is_float()) => {
                    differences.push(format!("wrong type: {name} is {}, not {}", found.dtype, entry.dtype));
                }
                _ => {}
            }
        }
        let known: BTreeSet<&str> =
            expected.iter().chain(optional).map(|entry| entry.name.as_str()).collect();
        let mut extra: Vec<&str> = self.tensors.keys().map(String::as_str).collect();
        extra.retain(|name| !known.contains(name) && !ignored(name));
        extra.sort_unstable();
        differences.extend(extra.iter().map(|name| format!("extra: {name}")));
        if !differences.is_empty() {
            let (path, what) = (self.path.clone(), what.to_owned());
            return Err(StoreError::Tensors { path, what, differences });
        }
        for entry in expected {
            let (found, bytes) = self.tensor(&entry.name);
            finite(Path::new(&self.path), found, bytes)?;
        }
        Ok(())
    }

    /// A tensor that [`TensorFile::check`] found, and its bytes.
    pub fn tensor(&self, name: &str) -> (&Entry, &[u8]) {
        let (entry, range) = &self.tensors[name];
        (entry, &self.bytes[range.clone()])
    }

    /// The values of a tensor that [`TensorFile::check`] found.
    pub fn f32s(&self, name: &str) -> Vec<f32> {
        let (entry, bytes) = self.tensor(name);
        match entry.dtype {
            Dtype::F16 => f16s(bytes).collect(),
            Dtype::BF16 => bf16s(bytes).collect(),
            _ => f32s(bytes).collect(),
        }
    }

    /// Writes the tensors, in their order, with other metadata.
    ///
    /// # Errors
    /// As [`write`].
    pub fn write_with(&self, path: &Path, metadata: &str) -> Result<(), StoreError> {
        let mut all: Vec<&(Entry, Range<usize>)> = self.tensors.values().collect();
        all.sort_by_key(|(entry, range)| (range.start, range.end, &entry.name));
        let entries: Vec<Entry> = all.iter().map(|(entry, _)| entry.clone()).collect();
        write(path, metadata, &entries, |index| Ok(self.bytes[all[index].1.clone()].to_vec()))
    }

    /// The names of all tensors, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Renames a tensor to an unused name and flattens all of its extents after the first; does nothing without such a
    /// tensor.
    pub fn rename_flat(&mut self, from: &str, to: &str) {
        if self.tensors.contains_key(to) {
            return;
        }
        if let Some((mut entry, range)) = self.tensors.remove(from) {
            if let [first, rest @ ..] = entry.shape.as_slice()
                && !rest.is_empty()
            {
                entry.shape = vec![*first, rest.iter().product()];
            }
            entry.name = to.to_owned();
            self.tensors.insert(to.to_owned(), (entry, range));
        }
    }

    /// The value of a single integer.
    pub fn i64(&self, name: &str) -> Option<i64> {
        let bytes = self.bytes.get(self.tensors.get(name)?.1.clone())?;
        Some(i64::from_le_bytes(bytes.try_into().ok()?))
    }
}

fn f32s(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word))
}

fn f16s(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks::<2>().0.iter().map(|half| f16::from_le_bytes(*half).to_f32())
}

fn bf16s(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks::<2>().0.iter().map(|half| bf16::from_le_bytes(*half).to_f32())
}

/// Values as little-endian f32.
pub(super) fn to_le(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Values as little-endian f16.
pub(super) fn to_le_f16(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect()
}

fn finite(path: &Path, entry: &Entry, bytes: &[u8]) -> Result<(), StoreError> {
    fn odd(values: impl Iterator<Item = f32>) -> Option<(usize, f32)> {
        values.enumerate().find(|(_, value)| !value.is_finite())
    }
    let found = match entry.dtype {
        Dtype::F32 => odd(f32s(bytes)),
        Dtype::F16 => odd(f16s(bytes)),
        Dtype::BF16 => odd(bf16s(bytes)),
        _ => None,
    };
    match found {
        None => Ok(()),
        Some((element, value)) => {
            let (path, tensor) = (path.display().to_string(), entry.name.clone());
            Err(StoreError::NotFinite { path, tensor, element, value })
        }
    }
}

/// The weights in a folder: those of a run directory or of a folder for the Hugging Face hub; other paths are files.
fn within(path: &Path) -> PathBuf {
    let names = ["best.safetensors", "model.safetensors"];
    let found = names.map(|name| path.join(name)).into_iter().find(|file| path.is_dir() && file.is_file());
    found.unwrap_or_else(|| path.to_owned())
}
