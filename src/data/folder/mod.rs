//! Folders of pictures, one folder per class: `DIR/train/<class>/*.png` and `DIR/val/<class>/*.png` (or `test`).
//!
//! Classes are the folders' names in byte order, images a class's `.png`, `.jpg` and `.jpeg` files in byte order. Every
//! image is decoded once when the set is opened, to compute the mean and the standard deviation and to find damaged files
//! before a run begins; after that, files are decoded on demand. Grey becomes RGB, transparent parts are composited over
//! white, and pictures are rotated upright according to their EXIF orientation.

mod error;
mod scan;

pub use error::FolderError;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::scan::Image;
use super::{Crop, DataSets, Dataset, Normalization, Options, Rectangle, picture};

/// The folders of the halves: for training, and for testing (the first that exists).
const TRAIN: &str = "train";
const TEST: [&str; 2] = ["val", "test"];

/// The extensions of the files that are read, in lower case.
const ENDINGS: [&str; 3] = ["png", "jpg", "jpeg"];
/// Those of other pictures.
const OTHER_ENDINGS: [&str; 8] = ["webp", "gif", "bmp", "tif", "tiff", "avif", "heic", "jxl"];

/// The number of foreign or damaged files that an error lists.
const NAMED: usize = 10;

/// One half of the set: its files and how they are resized.
struct FolderDataset {
    name: String,
    images: Vec<Image>,
    class_names: Vec<String>,
    normalization: Normalization,
    size: [usize; 2],
    resize: Option<usize>,
    skipped: Vec<String>,
}

/// Lists the files, scans each of them, and caches the result in the user's cache folder.
///
/// # Errors
/// [`FolderError`] if a folder is missing, a class has no images, the halves have different classes, or images are damaged
/// and not to be skipped.
pub(super) fn open(dir: &Path, options: &Options<'_>) -> Result<DataSets, FolderError> {
    let test = TEST.iter().map(|name| dir.join(name)).find(|path| path.is_dir());
    let train = Some(dir.join(TRAIN)).filter(|path| path.is_dir());
    let (Some(train), Some(test)) = (&train, &test) else {
        let missing = if train.is_none() { "train" } else { "val (or test)" };
        return Err(FolderError::Half { dir: dir.display().to_string(), missing, found: folders(dir) });
    };
    let Listed { class_names, images: train_images, unread: train_unread } = list(train)?;
    let Listed { class_names: test_names, images: test_images, unread: test_unread } = list(test)?;
    if class_names != test_names {
        let only = |these: &[String], those: &[String]| -> String {
            let only: Vec<&str> =
                these.iter().filter(|name| !those.contains(name)).map(String::as_str).collect();
            shortened(&only)
        };
        return Err(FolderError::Classes {
            train: train.display().to_string(),
            only_train: only(&class_names, &test_names),
            test: test.display().to_string(),
            only_test: only(&test_names, &class_names),
        });
    }
    let scanned = scan::scan(dir, [&train_images, &test_images], options);
    let damaged: Vec<&str> = scanned.damaged.iter().flatten().map(|(_, why)| why.as_str()).collect();
    if !options.skip_corrupt && !damaged.is_empty() {
        return Err(FolderError::Damaged { count: damaged.len(), list: lines(&damaged) });
    }
    let normalization = scanned.normalization;
    let name = dir.canonicalize().ok().and_then(|dir| Some(dir.file_name()?.to_string_lossy().into_owned()));
    let name = name.unwrap_or_else(|| dir.display().to_string());
    let half = |root: &Path, images: Vec<Image>, unread: Vec<String>, damaged: Vec<(usize, String)>| {
        let sound = |index: usize| damaged.binary_search_by_key(&index, |(index, _)| *index).is_err();
        let images: Vec<Image> =
            images.into_iter().enumerate().filter(|(i, _)| sound(*i)).map(|(_, image)| image).collect();
        let bare = (0..class_names.len()).find(|&class| {
            // Images are sorted by class.
            images.binary_search_by_key(&(class as u32), |image| image.label).is_err()
        });
        if let Some(class) = bare {
            let class = root.join(&class_names[class]).display().to_string();
            return Err(FolderError::AllDamaged { class });
        }
        Ok(Arc::new(FolderDataset {
            name: name.clone(),
            images,
            class_names: class_names.clone(),
            normalization: normalization.clone(),
            size: [options.size; 2],
            resize: options.resize,
            skipped: damaged.into_iter().map(|(_, why)| why).chain(unread).collect(),
        }))
    };
    let [bad_train, bad_test] = scanned.damaged;
    Ok(DataSets::new(
        half(train, train_images, train_unread, bad_train)?,
        half(test, test_images, test_unread, bad_test)?,
    ))
}

/// The files of one half.
struct Listed {
    class_names: Vec<String>,
    /// Sorted by class and name.
    images: Vec<Image>,
    /// Pictures of formats that are not read, with the reason.
    unread: Vec<String>,
}

fn list(root: &Path) -> Result<Listed, FolderError> {
    let classes: Vec<PathBuf> = entries(root)?.into_iter().filter(|path| path.is_dir()).collect();
    if classes.len() < 2 {
        let found = classes.len();
        return Err(FolderError::FewClasses { root: root.display().to_string(), found });
    }
    let (mut images, mut unread) = (Vec::new(), Vec::new());
    for (label, class) in classes.iter().enumerate() {
        let files: Vec<PathBuf> = entries(class)?.into_iter().filter(|path| path.is_file()).collect();
        let before = images.len();
        let (pictures, others): (Vec<_>, Vec<_>) = files.into_iter().partition(|path| is_picture(path));
        images.extend(pictures.into_iter().map(|path| Image { path, label: label as u32 }));
        let foreign = others.iter().filter(|path| has_ending(path, &OTHER_ENDINGS));
        unread.extend(foreign.map(|path| format!("{}: neither PNG nor JPEG", path.display())));
        if images.len() == before {
            let others: Vec<String> = others.iter().map(|path| last_name(path)).collect();
            let others = shortened(&others.iter().map(String::as_str).collect::<Vec<_>>());
            return Err(FolderError::NoImages { class: class.display().to_string(), others });
        }
    }
    Ok(Listed { class_names: classes.iter().map(|class| last_name(class)).collect(), images, unread })
}

/// The entries of a folder, sorted by name, without hidden ones.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let failed = |error| FolderError::Io { path: folder.display().to_string(), error };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if !last_name(&path).starts_with('.') {
            paths.push(path);
        }
    }
    paths.sort_unstable_by(|a, b| a.file_name().cmp(&b.file_name()));
    Ok(paths)
}

/// The PNG and JPEG files of a folder by their names, in order.
///
/// # Errors
/// [`FolderError`] if the folder cannot be read.
pub fn picture_files(dir: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let entries = entries(dir)?.into_iter();
    Ok(entries.filter(|path| is_picture(path) && path.is_file()).collect())
}

fn is_picture(path: &Path) -> bool {
    has_ending(path, &ENDINGS)
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| endings.contains(&ending.as_str()))
}

fn last_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// The subfolders of a folder, for an error.
fn folders(dir: &Path) -> String {
    let all = entries(dir).unwrap_or_default();
    let names: Vec<String> = all.iter().filter(|path| path.is_dir()).map(|path| last_name(path)).collect();
    shortened(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The first names, and the number of the rest.
fn shortened(names: &[&str]) -> String {
    let shown = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => "none".to_owned(),
        n if n > NAMED => format!("{shown} and {} more", n - NAMED),
        _ => shown,
    }
}

/// The first lines, and the number of the rest.
fn lines(all: &[&str]) -> String {
    let mut text: String = all.iter().take(NAMED).map(|line| format!("\n  {line}")).collect();
    if all.len() > NAMED {
        text += &format!("\n  and {} more", all.len() - NAMED);
    }
    text
}

impl Dataset for FolderDataset {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.images.len()
    }

    fn height(&self) -> usize {
        self.size[0]
    }

    fn width(&self) -> usize {
        self.size[1]
    }

    fn channels(&self) -> usize {
        3
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn read(&self, index: usize, crop: Crop<'_>, pixels: &mut [u8]) -> Result<(), picture::PictureError> {
        let picture = picture::open_rgb(&self.images[index].path)?;
        let source = [picture.height(), picture.width()].map(|side| side as usize);
        let part = crop(source).unwrap_or_else(|| Rectangle::centred(source, self.size, self.resize));
        pixels.copy_from_slice(&picture::cut(&picture, part, self.size));
        Ok(())
    }

    fn crops(&self) -> bool {
        true
    }

    fn label(&self, index: usize) -> u32 {
        self.images[index].label
    }

    fn normalization(&self) -> &Normalization {
        &self.normalization
    }

    fn skipped(&self) -> &[String] {
        &self.skipped
    }
}
