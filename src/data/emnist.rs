//! EMNIST: handwritten letters and digits in MNIST's format, with different file names and labels, and with transposed
//! images.
//!
//! # Source
//! Cohen, Afshar, Tapson, van Schaik: "EMNIST: an extension of MNIST to handwritten letters" (2017). A split
//! (`letters`, `balanced`, ...) is four IDX files `emnist-<split>-{train,test}-{images-idx3,labels-idx1}-ubyte` and
//! `emnist-<split>-mapping.txt`: a line for each class, its label and the codes of its characters.

use std::fs;
use std::path::{Path, PathBuf};

use super::idx::{self, IdxFile, IdxKind, Part};
use super::{DataError, DataSets, IdxDataset};

/// Opens the only split in a directory, or one of several by name: `DIR/emnist-letters`.
///
/// Labels are counted from the first class of the mapping (1 for `letters`) or, without a mapping, from the lowest label.
/// Classes are named after their characters (`Aa` if both cases are one class), or without a mapping after their labels.
///
/// # Errors
/// [`DataError`] if there is no split or more than one, a file is missing or damaged, or the mapping does not fit.
pub(super) fn open(path: &Path) -> Result<DataSets, DataError> {
    let (dir, split) = split(path)?;
    let mut files = idx::read_parts(|part| {
        let half = match part {
            Part::TrainImages | Part::TrainLabels => "train",
            Part::TestImages | Part::TestLabels => "test",
        };
        let kind = match part.kind() {
            IdxKind::Images => "images-idx3",
            IdxKind::Labels => "labels-idx1",
        };
        let path = idx::find(&dir, &format!("{split}-{half}-{kind}-ubyte"))?;
        let mut file = IdxFile::open(&path, part.kind())?;
        if file.kind() == IdxKind::Images {
            exchange(&mut file);
        }
        Ok::<_, idx::IdxError>(file)
    })?;
    let mapping = dir.join(format!("{split}-mapping.txt"));
    let labels = || files.iter().filter(|file| file.kind() == IdxKind::Labels);
    let (first, names) = if mapping.exists() {
        read_mapping(&mapping)?
    } else {
        let values = || labels().flat_map(IdxFile::values).copied();
        let (least, largest) = (values().min().unwrap_or(0), values().max().unwrap_or(0));
        (least, (least..=largest).map(|label| label.to_string()).collect())
    };
    for file in labels() {
        if let Some(index) = file.values().iter().position(|&label| label < first) {
            let (file, label) = (file.name().to_owned(), file.values()[index]);
            return Err(DataError::BelowMapping { file, index, label, first });
        }
    }
    for file in files.iter_mut().filter(|file| file.kind() == IdxKind::Labels) {
        file.values_mut().iter_mut().for_each(|label| *label -= first);
    }
    Ok(IdxDataset::pair(&split, files, names, None)?)
}

/// The directory, and the prefix of the split's file names.
fn split(path: &Path) -> Result<(PathBuf, String), DataError> {
    const FIRST: &str = "-train-images";
    let named = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let (dir, wanted) = match (path.is_dir(), named, path.parent()) {
        (false, Some(named), Some(parent)) if named.starts_with("emnist-") => (parent, Some(named)),
        _ => (path, None),
    };
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let entries =
        fs::read_dir(dir).map_err(|error| DataError::Directory { dir: dir.display().to_string(), error })?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut splits: Vec<String> = names
        .filter(|name| name.starts_with("emnist-"))
        .filter_map(|name| name.split_once(FIRST).map(|(split, _)| split.to_owned()))
        .collect();
    splits.sort_unstable();
    splits.dedup();
    splits.retain(|split| wanted.as_ref().is_none_or(|wanted| wanted == split));
    match splits.len() {
        1 => Ok((dir.to_owned(), splits.remove(0))),
        _ => {
            let wanted = wanted.unwrap_or_else(|| "emnist-<split>".to_owned());
            Err(DataError::Splits { dir: dir.display().to_string(), wanted, splits: splits.join(", ") })
        }
    }
}

/// Transposes each image.
fn exchange(file: &mut IdxFile) {
    let (height, width) = file.image_size();
    // Only square images, as EMNIST's are: the sizes in the header stay valid.
    if height != width {
        return;
    }
    for image in file.values_mut().chunks_exact_mut(height * width) {
        for y in 0..height {
            for x in 0..y {
                image.swap(y * width + x, x * width + y);
            }
        }
    }
}

/// The first class's label, and the name of each class.
fn read_mapping(path: &Path) -> Result<(u8, Vec<String>), DataError> {
    let file = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| DataError::Directory { dir: file.clone(), error })?;
    let (mut first, mut names) = (None, Vec::new());
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = || DataError::Mapping { file: file.clone(), line: index + 1, text: line.to_owned() };
        let mut words = line.split_whitespace();
        let label: usize = words.next().and_then(|word| word.parse().ok()).ok_or_else(wrong)?;
        let name: Option<String> = words.map(|word| word.parse().ok().and_then(char::from_u32)).collect();
        let name = name.filter(|name| !name.is_empty()).ok_or_else(wrong)?;
        let start = *first.get_or_insert(label);
        if label > 255 || label != start + names.len() {
            return Err(wrong());
        }
        names.push(name);
    }
    match first {
        Some(first) => Ok((first as u8, names)),
        None => Err(DataError::Mapping { file, line: 1, text }),
    }
}
