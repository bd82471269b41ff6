//! The built-in MNIST, MNIST in a directory, small IDX sets, and digits read back from pictures.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use flate2::read::GzDecoder;
use image::imageops::{self, FilterType};
use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage};
use vgg_wgpu::data::idx::Part;
use vgg_wgpu::data::picture::{self, Polarity, Wanted};
use vgg_wgpu::data::{
    Augmentation, DataError, DataSets, DataSource, IdxDataset, IdxError, Loader, Options, mnist,
};

static MNIST: LazyLock<DataSets> = LazyLock::new(|| DataSource::default().open(&Options::new(28)).unwrap());

fn asset(part: Part) -> PathBuf {
    let folder = if part.stem().starts_with("train") { "assets/mnist/train" } else { "assets/mnist" };
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(format!("{}.gz", part.stem()))
}

fn plain(part: Part) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(fs::File::open(asset(part)).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

/// A directory with the four files as they are in `assets/mnist` and `assets/mnist/train`.
fn copied() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for part in Part::ALL {
        fs::copy(asset(part), dir.path().join(format!("{}.gz", part.stem()))).unwrap();
    }
    dir
}

fn refused(dir: &Path) -> String {
    mnist::from_dir(dir).unwrap_err().to_string()
}

#[test]
fn the_built_in_set_is_mnist() {
    for (set, len, counts) in [
        (&MNIST.train, 60_000, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
        (&MNIST.test, 10_000, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]),
    ] {
        assert_eq!((set.name(), set.len(), set.is_empty()), ("mnist", len, false));
        assert_eq!((set.height(), set.width(), set.channels(), set.classes()), (28, 28, 1, 10));
        assert_eq!(set.class_names()[7], "7");
        let mut seen = [0; 10];
        (0..len).for_each(|index| seen[set.label(index) as usize] += 1);
        assert_eq!(seen, counts);
        assert_eq!(set.image(len - 1).unwrap().len(), 784);
        assert_eq!((set.normalization().mean[0], set.normalization().std[0]), (0.1307, 0.3081));
    }
    // The first training image is a 5, the first test image a 7.
    assert_eq!((MNIST.train.label(0), MNIST.test.label(0)), (5, 7));
}

#[test]
fn a_directory_may_have_each_file_in_any_spelling() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::copy(asset(Part::TrainImages), at("train-images-idx3-ubyte.gz")).unwrap();
    fs::write(at("train-labels.idx1-ubyte"), plain(Part::TrainLabels)).unwrap();
    fs::write(at("t10k-images-idx3-ubyte"), plain(Part::TestImages)).unwrap();
    // The content shows whether a file is gzipped, not the name.
    fs::copy(asset(Part::TestLabels), at("t10k-labels.idx1-ubyte")).unwrap();

    let source: DataSource = format!("mnist:{}", dir.path().display()).parse().unwrap();
    let sets = source.open(&Options::new(28)).unwrap();
    assert_eq!((sets.train.len(), sets.test.len()), (60_000, 10_000));
    for index in [0, 1234, 9999] {
        assert_eq!(sets.test.image(index).unwrap(), MNIST.test.image(index).unwrap());
        assert_eq!(sets.train.label(index), MNIST.train.label(index));
    }
}

#[test]
fn a_missing_file_or_directory_is_named_with_what_was_looked_for() {
    let dir = copied();
    fs::remove_file(dir.path().join("t10k-labels-idx1-ubyte.gz")).unwrap();
    let error = refused(dir.path());
    assert!(error.starts_with(&dir.path().display().to_string()), "{error}");
    assert!(
        error.contains("none of t10k-labels-idx1-ubyte, t10k-labels-idx1-ubyte.gz, t10k-labels.idx1-ubyte,")
    );

    let error = refused(&dir.path().join("nowhere"));
    assert!(
        error.contains("nowhere: the directory cannot be read; looked there for train-images"),
        "{error}"
    );
    let error = refused(&dir.path().join("train-images-idx3-ubyte.gz"));
    assert!(error.contains("not a directory"), "{error}");
}

#[test]
fn a_set_that_is_not_mnist_fails_its_checksum() {
    let dir = copied();
    let mut labels = plain(Part::TrainLabels);
    labels[8] ^= 1;
    fs::write(dir.path().join("train-labels-idx1-ubyte"), &labels).unwrap();
    let error = mnist::from_dir(dir.path()).unwrap_err();
    assert!(matches!(&error, DataError::Checksum { file, .. } if file.ends_with("train-labels-idx1-ubyte")));
    let text = error.to_string();
    assert!(text.contains("a25bea736e30d166cdddb491f175f624") && text.contains("not the original"), "{text}");
    // The same directory opens as another set than MNIST.
    let sets = IdxDataset::open(dir.path()).unwrap();
    assert_eq!(sets.train.label(0), MNIST.train.label(0) ^ 1);
    let normalization = sets.test.normalization();
    // 0.1306604762738429 and 0.30810780385646264, by numpy.
    assert!((normalization.mean[0] - 0.130_660_48).abs() <= 1e-7, "{normalization:?}");
    assert!((normalization.std[0] - 0.308_107_8).abs() <= 1e-7, "{normalization:?}");
}

#[test]
fn damaged_and_swapped_files_are_distinguished() {
    let dir = copied();
    let images = dir.path().join("train-images-idx3-ubyte");
    fs::write(&images, &plain(Part::TrainImages)[..40_028]).unwrap();
    let error = refused(dir.path());
    let facts = "train-images-idx3-ubyte: 40012 bytes of pixels, but the header promises 47040000; \
                 the file is truncated, fetch it again";
    assert!(error.ends_with(facts), "{error}");

    fs::copy(asset(Part::TrainLabels), &images).unwrap();
    assert!(
        refused(dir.path()).contains("contains labels, but images are expected; are the two files swapped?")
    );
    fs::write(&images, "<html>404</html>").unwrap();
    assert!(refused(dir.path()).contains("not an IDX file"));
    fs::write(&images, "").unwrap();
    assert!(refused(dir.path()).contains("0 bytes, but the header alone"));
    fs::remove_file(&images).unwrap();

    // The test images with the training labels: both sound, but of different sets.
    fs::copy(asset(Part::TestImages), &images).unwrap();
    let error = IdxDataset::open(dir.path()).unwrap_err();
    assert!(matches!(error, IdxError::Counts { images: 10_000, labels: 60_000, .. }), "{error}");
}

#[test]
fn a_loader_reads_a_small_set() {
    let dir = tempfile::tempdir().unwrap();
    for (part, count) in Part::ALL.into_iter().zip([12u8, 12, 5, 5]) {
        let bytes = match part {
            Part::TrainImages | Part::TestImages => {
                let header = [0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 2, 0, 0, 0, 3];
                let pixels = (0..count).flat_map(|image| [image * 10; 6]);
                header.into_iter().chain(pixels).collect::<Vec<u8>>()
            }
            _ => [0, 0, 8, 1, 0, 0, 0, count].into_iter().chain((0..count).map(|i| i % 3)).collect(),
        };
        fs::write(dir.path().join(part.stem()), bytes).unwrap();
    }
    let sets = IdxDataset::open(dir.path()).unwrap();
    assert_eq!((sets.train.len(), sets.test.len(), sets.train.classes()), (12, 5, 3));
    let loader = Loader::train(sets.train, 4, 1, Augmentation::new(10.0, 0.05).unwrap()).unwrap();
    let mut seen: Vec<u8> =
        loader.epoch(0, 0).unwrap().flat_map(|batch| batch.unwrap().images).step_by(6).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..12).map(|image| image * 10).collect::<Vec<u8>>());
    assert_eq!(
        Loader::evaluate(sets.test, 4).unwrap().epoch(0, 0).unwrap().map(|b| b.unwrap().valid).sum::<usize>(),
        5
    );
}

#[test]
fn an_epoch_of_mnist_covers_the_set() {
    let loader = Loader::train(Arc::clone(&MNIST.train), 64, 0, Augmentation::NONE).unwrap();
    assert_eq!(loader.batches_per_epoch(), 937);
    let mut counts = BTreeMap::new();
    let mut batches = loader.epoch(0, 0).unwrap();
    while let Some(batch) = batches.next() {
        let batch = batch.unwrap();
        batch.labels.iter().for_each(|&label| *counts.entry(label).or_insert(0) += 1);
        batches.recycle(batch);
    }
    assert_eq!(counts.values().sum::<i32>(), 937 * 64);
    assert_eq!(Loader::evaluate(Arc::clone(&MNIST.test), 64).unwrap().batches_per_epoch(), 157);
}

/// A test digit ten times as large, somewhere on a page, in ink and paper of the given colours.
fn page(digit: &[u8], paper: [u8; 3], ink: [u8; 3]) -> DynamicImage {
    let digit = GrayImage::from_raw(28, 28, digit.to_vec()).unwrap();
    let large = imageops::resize(&digit, 280, 280, FilterType::CatmullRom);
    let mut place = GrayImage::from_pixel(500, 400, Luma([0]));
    imageops::replace(&mut place, &large, 170, 40);
    let page = RgbImage::from_fn(500, 400, |x, y| {
        let share = u32::from(place.get_pixel(x, y).0[0]);
        let mix = |i: usize| (u32::from(ink[i]) * share + u32::from(paper[i]) * (255 - share)) / 255;
        Rgb([mix(0) as u8, mix(1) as u8, mix(2) as u8])
    });
    page.into()
}

/// The least mean difference over shifts of up to one pixel, in grey levels: the centre of mass of a resampled
/// digit may round to the neighbouring pixel.
fn difference(found: &[u8], original: &[u8]) -> f64 {
    let at = |x: i32, y: i32| {
        let inside = (0..28).contains(&x) && (0..28).contains(&y);
        if inside { f64::from(found[(y * 28 + x) as usize]) } else { 0.0 }
    };
    let shifted = |dx: i32, dy: i32| {
        let errors = (0..784).map(|i| (at(i % 28 + dx, i / 28 + dy) - f64::from(original[i as usize])).abs());
        errors.sum::<f64>() / 784.0
    };
    let shifts = (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (dx, dy)));
    shifts.map(|(dx, dy)| shifted(dx, dy)).min_by(f64::total_cmp).unwrap()
}

#[test]
fn digits_on_a_page_come_back_nearly_as_they_were() {
    let wanted =
        Wanted { height: 28, width: 28, channels: 1, characters: true, polarity: None, resize: None };
    for (paper, ink, format, polarity) in [
        ([0; 3], [255; 3], ImageFormat::Png, Polarity::LightOnDark),
        ([255; 3], [0; 3], ImageFormat::Png, Polarity::DarkOnLight),
        ([250, 240, 215], [20, 40, 130], ImageFormat::Png, Polarity::DarkOnLight),
        ([250, 240, 215], [20, 40, 130], ImageFormat::Jpeg, Polarity::DarkOnLight),
        ([30, 70, 50], [235, 235, 220], ImageFormat::Jpeg, Polarity::LightOnDark),
    ] {
        let mut sum = 0.0;
        for index in 0..40 {
            let original = &MNIST.test.image(index).unwrap();
            let mut bytes = Cursor::new(Vec::new());
            page(original, paper, ink).write_to(&mut bytes, format).unwrap();
            let found = picture::decode("page", bytes.get_ref(), &wanted).unwrap();
            assert_eq!((found.polarity, found.framed), (Some(polarity), true));
            let to = |other: usize| difference(&found.pixels, &MNIST.test.image(other).unwrap());
            let error = to(index);
            let others = (0..40).filter(|&other| other != index);
            let other = others.min_by(|&a, &b| f64::total_cmp(&to(a), &to(b))).unwrap();
            assert!(error < to(other), "digit {index} on {paper:?} is rather digit {other}: {error}");
            sum += error / 40.0;
        }
        assert!(sum <= 6.5, "on {paper:?}: {sum}"); // Found: 5.2 to 5.6.
    }
}
