//! MNIST: 70,000 handwritten digits of 28 x 28 grey pixels, inside the program or in a directory.
//!
//! # Source
//! Yann LeCun, Corinna Cortes, Christopher Burges: "The MNIST database of handwritten digits". The content is
//! theirs, unchanged, under CC BY-SA 3.0; see `assets/mnist/README.md`.

use std::path::Path;

use md5::{Digest, Md5};

use super::idx::{self, IdxDataset, IdxFile, Part};
use super::{DataError, DataSets, Normalization};

/// The names of its classes.
pub(super) const CLASSES: &str = "0, 1, 2, 3, 4, 5, 6, 7, 8, 9";

/// Each built-in file, gzipped, and the MD5 of its uncompressed content.
fn published(part: Part) -> (&'static [u8], &'static str) {
    match part {
        Part::TrainImages => (vgg_wgpu_mnist::IMAGES, "6bbc9ace898e44ae57da46a324031adb"),
        Part::TrainLabels => (vgg_wgpu_mnist::LABELS, "a25bea736e30d166cdddb491f175f624"),
        Part::TestImages => (
            include_bytes!("../../assets/mnist/t10k-images-idx3-ubyte.gz"),
            "2646ac647ad5339dbf082846283269ea",
        ),
        Part::TestLabels => (
            include_bytes!("../../assets/mnist/t10k-labels-idx1-ubyte.gz"),
            "27ae3e4e09519cfbb04c329615203637",
        ),
    }
}

/// The MNIST files inside the program. A test checks them against the published checksums; here gzip's checksum is enough.
///
/// # Errors
/// [`DataError`] if the program was built from a damaged file.
pub fn builtin() -> Result<DataSets, DataError> {
    let files = idx::read_parts(|part| {
        let name = format!("built-in {}.gz", part.stem());
        IdxFile::read(&name, published(part).0, part.kind())
    })?;
    data_sets(files)
}

/// The four MNIST files of a directory, gzipped or not, checked against their published checksums.
///
/// Another set in MNIST's format fails the checksums; [`IdxDataset::open`] reads any such set.
///
/// # Errors
/// [`DataError`] if a file is missing, damaged, or not the original.
pub fn from_dir(dir: &Path) -> Result<DataSets, DataError> {
    let files = idx::read_parts(|part| checked(IdxFile::open(&part.find(dir)?, part.kind())?, part))?;
    data_sets(files)
}

fn checked(file: IdxFile, part: Part) -> Result<IdxFile, DataError> {
    let expected = published(part).1;
    let digest = Md5::digest(file.bytes());
    let found: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    if found == expected {
        Ok(file)
    } else {
        let file = file.name().to_owned();
        Err(DataError::Checksum { file, found, expected })
    }
}

fn data_sets(files: [IdxFile; 4]) -> Result<DataSets, DataError> {
    let names = CLASSES.split(", ").map(str::to_owned).collect();
    Ok(IdxDataset::pair("mnist", files, names, Some(Normalization::of(Normalization::MNIST)))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_inside_are_the_originals() {
        let read = |part| IdxFile::read("built-in", published(part).0, part.kind()).unwrap();
        for part in Part::ALL {
            checked(read(part), part).unwrap();
        }
    }

    #[test]
    fn a_sound_file_that_is_not_the_original_fails_its_checksum() {
        let bytes = [0, 0, 8, 1, 0, 0, 0, 2, 3, 4];
        let file = IdxFile::read("some-labels", &bytes[..], Part::TestLabels.kind()).unwrap();
        let error = checked(file, Part::TestLabels).unwrap_err().to_string();
        assert!(error.contains("27ae3e4e09519cfbb04c329615203637"), "{error}");
        assert!(error.starts_with("some-labels: ") && error.contains("`--data mnist`"), "{error}");
    }
}
