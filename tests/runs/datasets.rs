//! Data sets in directories: IDX, EMNIST, CIFAR, folders of pictures; sound, and broken in every way that has an error.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use image::{DynamicImage, GrayImage, Rgba, RgbaImage};
use tempfile::{TempDir, tempdir};
use vgg_wgpu::data::picture::{self, Wanted};
use vgg_wgpu::data::{
    Augmentation, Batch, DataSets, DataSource, Dataset, IDENTITY, Loader, Normalization, Options, Rectangle,
};

use crate::support::synthetic;

fn open(kind: &str, dir: &Path) -> Result<DataSets, String> {
    open_with(kind, dir, Options::new(8))
}

fn open_with(kind: &str, dir: &Path, options: Options<'_>) -> Result<DataSets, String> {
    let source: DataSource = format!("{kind}:{}", dir.display()).parse().unwrap();
    source.open(&options).map_err(|error| error.to_string())
}

/// Opening fails with all of `says` in the error.
#[track_caller]
fn refused(kind: &str, dir: &Path, says: &[&str]) {
    let error = open(kind, dir).expect_err("it must be refused");
    says.iter().for_each(|part| assert!(error.contains(part), "no {part:?} in {error}"));
}

fn batches(loader: &Loader, epoch: u32) -> Vec<Batch> {
    loader.epoch(epoch, 0).unwrap().map(Result::unwrap).collect()
}

fn bytes_of(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// The four files of a set in MNIST's layout: `n` images of 2 x 2 pixels, labels `first`, `first + 1`, ...
fn idx_set(dir: &Path, names: [&str; 4], n: u8, first: u8) {
    for images in [names[0], names[2]] {
        let pixels: Vec<u8> = (0..n).flat_map(|i| [i, i + 10, i + 20, i + 30]).collect();
        synthetic::idx(&dir.join(images), &[n.into(), 2, 2], &pixels);
    }
    for labels in [names[1], names[3]] {
        let values: Vec<u8> = (0..n).map(|i| first + i).collect();
        synthetic::idx(&dir.join(labels), &[n.into()], &values);
    }
}

const MNIST: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

#[test]
fn fashion_mnist_has_names_and_constants_and_any_idx_set_its_own() {
    let dir = tempdir().unwrap();
    idx_set(dir.path(), MNIST, 10, 0);
    let set = open("fashion-mnist", dir.path()).unwrap().test;
    assert_eq!(
        (set.name(), set.classes(), set.class_names()[9].as_str()),
        ("fashion-mnist", 10, "ankle boot")
    );
    assert_eq!((set.normalization().mean[0], set.normalization().std[0]), (0.2860, 0.3530));
    assert_eq!(set.image(3).unwrap(), [3, 13, 23, 33]);

    idx_set(dir.path(), MNIST, 12, 0);
    refused("fashion-mnist", dir.path(), &["label 10 is 10", "10 classes"]);
    let set = open("idx", dir.path()).unwrap().train;
    assert_eq!((set.classes(), set.class_names()[11].as_str(), set.channels()), (12, "11", 1));
    // Mean of 0..12 and 0, 10, 20, 30.
    assert!((set.normalization().mean[0] * 255.0 - 20.5).abs() < 1e-4);
    refused("idx", &dir.path().join("nowhere"), &["nowhere", "cannot be read"]);
}

fn emnist_names(split: &str) -> [String; 4] {
    ["train-images-idx3", "train-labels-idx1", "test-images-idx3", "test-labels-idx1"]
        .map(|part| format!("emnist-{split}-{part}-ubyte"))
}

#[test]
fn emnist_is_turned_upright_and_counted_from_its_first_label() {
    let dir = tempdir().unwrap();
    let letters = emnist_names("letters");
    idx_set(dir.path(), letters.each_ref().map(String::as_str), 3, 1);
    let set = open("emnist", dir.path()).unwrap().train;
    assert_eq!((set.name(), set.class_names()), ("emnist-letters", &["1", "2", "3"].map(String::from)[..]));
    assert_eq!((set.label(0), set.label(2)), (0, 2));
    assert_eq!(set.image(0).unwrap(), [0, 20, 10, 30], "rows and columns are exchanged");

    let mapping = dir.path().join("emnist-letters-mapping.txt");
    fs::write(&mapping, "1 65 97\n2 66 98\n3 67 99\n").unwrap();
    assert_eq!(open("emnist", dir.path()).unwrap().test.class_names(), ["Aa", "Bb", "Cc"]);
    fs::write(&mapping, "1 65 97\n3 66 98\n").unwrap();
    refused("emnist", dir.path(), &["emnist-letters-mapping.txt, line 2", "3 66 98", "one more"]);
    fs::write(&mapping, "1 65 97\n2 66 98\n").unwrap();
    refused("emnist", dir.path(), &["label 2 is 2", "2 classes"]);
    fs::write(&mapping, "2 65\n3 66\n").unwrap();
    refused("emnist", dir.path(), &["label 0 is 1", "begins with 2"]);
    fs::write(&mapping, "").unwrap();
    refused("emnist", dir.path(), &["mapping.txt, line 1"]);
    fs::remove_file(&mapping).unwrap();

    // Of several splits one must be named.
    idx_set(dir.path(), emnist_names("digits").each_ref().map(String::as_str), 2, 0);
    refused("emnist", dir.path(), &["emnist-digits, emnist-letters", "--data emnist:DIR/emnist-letters"]);
    assert_eq!(open("emnist", &dir.path().join("emnist-digits")).unwrap().train.classes(), 2);
    refused("emnist", &dir.path().join("emnist-balanced"), &["emnist-balanced", "there: none"]);
    fs::remove_file(dir.path().join(&emnist_names("digits")[3])).unwrap();
    refused("emnist", &dir.path().join("emnist-digits"), &["none of emnist-digits-test-labels-idx1-ubyte,"]);
}

#[test]
fn cifar_10_is_read_from_its_six_files() {
    let dir = tempdir().unwrap();
    let inner = dir.path().join("cifar-10-batches-bin");
    synthetic::cifar10(&inner, 20);
    // The folder itself, or the one that the archive was extracted in.
    for dir in [dir.path(), &inner] {
        let DataSets { train, test, .. } = open("cifar10", dir).unwrap();
        assert_eq!((train.len(), test.len(), train.classes(), train.name()), (100, 20, 10, "cifar10"));
        assert_eq!((train.height(), train.width(), train.channels(), train.crops()), (32, 32, 3, false));
        assert_eq!(train.class_names()[3], "kind3");
        assert_eq!(train.normalization().mean, [0.4914, 0.4822, 0.4465]);
        // Record 5 of the third file.
        assert_eq!(train.label(45), 5);
        assert_eq!(train.image(45).unwrap(), synthetic::picture(32, 32, 5, 45).into_raw());
    }
}

#[test]
fn broken_cifar_files_are_named_with_the_way_out() {
    let dir = tempdir().unwrap();
    let set = dir.path().join("set");
    synthetic::cifar10(&set, 3);
    let third = set.join("data_batch_3.bin");
    bytes_of(&third, |bytes| bytes[2 * 3073] = 10);
    refused("cifar10", &set, &["data_batch_3.bin: record 2 has the label 10", "10 classes"]);
    bytes_of(&third, |bytes| bytes.truncate(9218));
    refused("cifar10", &set, &["data_batch_3.bin: 9218 bytes", "records of 3073", "cut short"]);
    fs::write(&third, "").unwrap();
    refused("cifar10", &set, &["data_batch_3.bin: 0 bytes"]);
    fs::remove_file(&third).unwrap();
    refused("cifar10", &set, &["no data_batch_3.bin", "cifar-10-batches-bin"]);
    fs::write(set.join("batches.meta.txt"), "one\ntwo\n").unwrap();
    refused("cifar10", &set, &["batches.meta.txt: 2 names", "10 classes"]);
    refused("cifar10", &dir.path().join("nowhere"), &["nowhere", "not a directory"]);

    // Packed, the Python version, the other set.
    let packed = dir.path().join("packed");
    fs::create_dir(&packed).unwrap();
    fs::write(packed.join("cifar-10-binary.tar.gz"), "x").unwrap();
    refused("cifar10", &packed, &["run: tar xzf", "cifar-10-binary.tar.gz -C"]);
    let python = dir.path().join("python");
    fs::create_dir(&python).unwrap();
    fs::write(python.join("data_batch_1"), "x").unwrap();
    refused("cifar10", &python, &["Python version", "cifar-10-binary.tar.gz"]);
    let hundred = dir.path().join("hundred");
    synthetic::cifar100(&hundred, 100);
    refused("cifar10", &hundred, &["--data cifar100:"]);
    refused("cifar100", &set, &["--data cifar10:"]);
}

#[test]
fn cifar_100_takes_the_fine_labels() {
    let dir = tempdir().unwrap();
    synthetic::cifar100(dir.path(), 120);
    let train = open("cifar100", dir.path()).unwrap().train;
    assert_eq!((train.len(), train.classes(), train.label(77), train.label(119)), (120, 100, 77, 19));
    assert_eq!(train.class_names()[77], "fine77");
    assert_eq!(train.image(77).unwrap(), synthetic::picture(32, 32, 77, 77).into_raw());
    bytes_of(&dir.path().join("train.bin"), |bytes| bytes[3074 + 1] = 100);
    refused("cifar100", dir.path(), &["record 1 has the label 100", "100 classes"]);
    bytes_of(&dir.path().join("train.bin"), |bytes| bytes.truncate(5000));
    refused("cifar100", dir.path(), &["5000 bytes", "records of 3074"]);
}

/// `train` and `val` with two classes of 8 x 8 pictures.
fn pets() -> TempDir {
    let dir = tempdir().unwrap();
    synthetic::folder(dir.path(), &["dog", "cat"], [6, 3], [8, 8], "png");
    dir
}

#[test]
fn a_folder_is_its_classes_and_files_in_order() {
    let dir = pets();
    // Files that are hidden or not pictures are ignored, and so is the case of names.
    fs::write(dir.path().join("train/cat/notes.txt"), "mine").unwrap();
    fs::write(dir.path().join("train/cat/.hidden.png"), "no picture").unwrap();
    fs::rename(dir.path().join("train/cat/00000.png"), dir.path().join("train/cat/00000.PNG")).unwrap();
    let DataSets { train, test, .. } = open("folder", dir.path()).unwrap();
    assert_eq!(
        (train.len(), test.len(), train.class_names()),
        (12, 6, &["cat", "dog"].map(String::from)[..])
    );
    assert_eq!((train.height(), train.width(), train.channels(), train.crops()), (8, 8, 3, true));
    assert_eq!((train.label(5), train.label(6)), (0, 1));
    // "cat" was the second of `pets`, its third image has the seed 5; 8 x 8 is not resized.
    assert_eq!(train.image(2).unwrap(), synthetic::picture(8, 8, 1, 5).into_raw());

    // The mean of the training pixels, computed separately.
    let all: Vec<u8> = (0..12).flat_map(|index| train.image(index).unwrap()).collect();
    for channel in 0..3 {
        let values: Vec<f64> = all[channel..].iter().step_by(3).map(|&v| f64::from(v) / 255.0).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let std = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt();
        let found = train.normalization();
        assert!((f64::from(found.mean[channel]) - mean).abs() < 1e-6, "{found:?}");
        assert!((f64::from(found.std[channel]) - std).abs() < 1e-6, "{found:?}");
    }
    // `test` is used if there is no `val`.
    fs::rename(dir.path().join("val"), dir.path().join("test")).unwrap();
    assert_eq!(open("folder", dir.path()).unwrap().test.len(), 6);
}

#[test]
fn grey_and_transparent_pictures_become_colour() {
    let dir = pets();
    let cat = dir.path().join("train/cat");
    GrayImage::from_pixel(8, 8, image::Luma([77])).save(cat.join("00000.png")).unwrap();
    let veil = |x, _| Rgba([200, 100, 0, if x < 4 { 0 } else { 255 }]);
    RgbaImage::from_fn(8, 8, veil).save(cat.join("00001.png")).unwrap();
    DynamicImage::ImageLuma16(image::ImageBuffer::from_pixel(8, 8, image::Luma([0x8000])))
        .save(cat.join("00002.png"))
        .unwrap();
    GrayImage::from_pixel(8, 8, image::Luma([40])).save(cat.join("00003.jpg")).unwrap();
    fs::remove_file(cat.join("00003.png")).unwrap();
    let train = open("folder", dir.path()).unwrap().train;
    assert_eq!(train.image(0).unwrap(), [77; 192]);
    let veiled = train.image(1).unwrap();
    assert_eq!((&veiled[..3], &veiled[21..24]), (&[255, 255, 255][..], &[200, 100, 0][..]));
    assert_eq!(train.image(2).unwrap()[0], 128);
    assert!(train.image(3).unwrap().iter().all(|v| v.abs_diff(40) <= 1));
}

/// A picture of 40 x 20 with a bright square in the centre: what an evaluation sees of it.
#[test]
fn an_evaluation_sees_the_centre() {
    let dir = pets();
    let bright = |x: u32, y: u32| (15..25).contains(&x) && (5..15).contains(&y);
    let picture =
        image::RgbImage::from_fn(40, 20, |x, y| image::Rgb([if bright(x, y) { 250 } else { 10 }; 3]));
    picture.save(dir.path().join("val/cat/00000.png")).unwrap();
    let see = |resize| open_with("folder", dir.path(), Options { resize, ..Options::new(8) }).unwrap().test;
    // The largest square is 20 x 20, of which the bright half lies in the middle.
    let whole = see(None).image(0).unwrap();
    assert_eq!((whole[0], whole[(4 * 8 + 4) * 3]), (10, 250));
    // 8 of 16 pixels are the bright square alone.
    let centre = see(Some(16)).image(0).unwrap();
    assert_eq!(centre, [250; 192]);
    // A prediction does as well.
    let wanted =
        Wanted { height: 8, width: 8, channels: 3, characters: true, polarity: None, resize: Some(10) };
    let seen = picture::open(&dir.path().join("val/cat/00000.png"), &wanted).unwrap().pixels;
    assert_eq!(seen, see(Some(10)).image(0).unwrap());
    assert_ne!(seen, whole);
}

#[test]
fn folders_that_are_not_data_sets_are_refused() {
    let dir = pets();
    refused("folder", &dir.path().join("train"), &["no folder train", "The folders there: cat, dog"]);
    refused("folder", &dir.path().join("nowhere"), &["nowhere", "no folder train"]);
    fs::create_dir(dir.path().join("train/bird")).unwrap();
    refused("folder", dir.path(), &["bird: no PNG or JPEG files (other files there: none)"]);
    fs::write(dir.path().join("train/bird/a.webp"), "x").unwrap();
    refused("folder", dir.path(), &["bird: no PNG or JPEG files (other files there: a.webp)", "both halves"]);
    synthetic::picture(8, 8, 2, 0).save(dir.path().join("train/bird/a.png")).unwrap();
    refused("folder", dir.path(), &["same classes", "only in the first: bird", "only in the second: none"]);
    fs::remove_dir_all(dir.path().join("train/bird")).unwrap();
    fs::remove_dir_all(dir.path().join("train/dog")).unwrap();
    refused("folder", dir.path(), &["train: 1 class folders", "at least 2"]);
    fs::remove_dir_all(dir.path().join("val")).unwrap();
    refused("folder", dir.path(), &["no folder val (or test)"]);
}

fn damage(dir: &Path) -> [PathBuf; 3] {
    let [cut, text, empty] =
        ["train/cat/00001.png", "train/dog/00004.png", "val/dog/00002.png"].map(|path| dir.join(path));
    bytes_of(&cut, |bytes| bytes.truncate(bytes.len() / 2));
    fs::write(&text, "not a picture").unwrap();
    fs::write(&empty, "").unwrap();
    [cut, text, empty]
}

#[test]
fn damaged_files_are_named_or_left_out() {
    let dir = pets();
    let damaged = damage(dir.path()).map(|path| path.display().to_string());
    refused(
        "folder",
        dir.path(),
        &["3 damaged images", "--skip-corrupt", &damaged[0], &damaged[1], &damaged[2]],
    );
    let skip = || Options { skip_corrupt: true, ..Options::new(8) };
    let DataSets { train, test, .. } = open_with("folder", dir.path(), skip()).unwrap();
    assert_eq!((train.len(), test.len(), train.skipped().len(), test.skipped().len()), (10, 5, 2, 1));
    assert!(train.skipped()[1].starts_with(&damaged[1]), "{:?}", train.skipped());
    // With another normalisation, a set is otherwise the same.
    let other = Normalization { mean: vec![0.5; 3], std: vec![0.25; 3] };
    let again = DataSets::new(train.clone(), test.clone()).normalized_by(&other);
    for (set, own) in [(&again.train, &train), (&again.test, &test)] {
        assert_eq!((set.normalization(), own.normalization() == &other), (&other, false));
        assert_eq!((set.name(), set.len(), set.is_empty()), (own.name(), own.len(), false));
        assert_eq!([set.height(), set.width(), set.channels()], [8, 8, 3]);
        assert_eq!((set.class_names(), set.classes()), (own.class_names(), own.classes()));
        assert_eq!((set.crops(), set.skipped(), set.label(4)), (true, own.skipped(), own.label(4)));
        let part = |_| Some(Rectangle { top: 1, left: 2, height: 4, width: 3 });
        let [mut found, mut expected] = [vec![0; 192], vec![0; 192]];
        set.read(4, &part, &mut found).unwrap();
        own.read(4, &part, &mut expected).unwrap();
        assert_eq!((found != own.image(4).unwrap(), found), (true, expected));
    }
    // The second cat is now the third file.
    assert_eq!(train.image(1).unwrap(), synthetic::picture(8, 8, 1, 5).into_raw());
    for index in 0..3 {
        fs::write(dir.path().join(format!("val/dog/0000{index}.png")), "").unwrap();
    }
    let error = open_with("folder", dir.path(), skip()).unwrap_err();
    assert!(error.contains("dog: all of its images are damaged"), "{error}");
}

#[test]
fn a_scan_is_cached_until_the_files_change() {
    let (dir, cache) = (pets(), tempdir().unwrap());
    damage(dir.path());
    let before: Vec<PathBuf> = files(dir.path());
    let scans = AtomicUsize::new(0);
    let open = || {
        let scanning = |count| assert!(scans.fetch_add(1, Ordering::SeqCst) < 9 && count == 18);
        let cache = Some(cache.path().to_owned());
        let options = Options { cache, skip_corrupt: true, scanning: &scanning, ..Options::new(8) };
        open_with("folder", dir.path(), options).unwrap().train
    };
    let (first, again) = (open(), open());
    assert_eq!(scans.load(Ordering::SeqCst), 1);
    assert_eq!((first.normalization(), first.skipped()), (again.normalization(), again.skipped()));
    assert_eq!(files(dir.path()), before, "nothing is written into the user's folder");
    // Changed content causes another scan.
    synthetic::picture(8, 8, 0, 999).save(dir.path().join("train/dog/00004.png")).unwrap();
    let healed = open();
    assert_eq!((scans.load(Ordering::SeqCst), healed.len()), (2, 11));
    assert_ne!(healed.normalization(), first.normalization());
    // An unreadable cache is rewritten.
    for file in files(cache.path()) {
        fs::write(file, "mean = [").unwrap();
    }
    assert_eq!(open().normalization(), healed.normalization());
    assert_eq!(scans.load(Ordering::SeqCst), 3);
    for file in files(cache.path()) {
        // The cache of the other content is still damaged.
        let Ok(mut kept) = fs::read_to_string(&file).unwrap().parse::<toml::Table>() else { continue };
        kept["std"] = vec![0.0; 3].into();
        fs::write(file, kept.to_string()).unwrap();
    }
    assert_eq!(open().normalization(), healed.normalization());
    assert_eq!(scans.load(Ordering::SeqCst), 4);
    // A cache that cannot be written costs only time.
    let nowhere =
        Options { cache: Some(PathBuf::from("/proc/nowhere")), skip_corrupt: true, ..Options::new(8) };
    assert_eq!(
        open_with("folder", dir.path(), nowhere).unwrap().train.normalization(),
        healed.normalization()
    );
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Batches of decoded, cropped files are functions of (seed, epoch, image), from any batch on.
#[test]
fn batches_of_files_are_the_same_again() {
    let dir = tempdir().unwrap();
    synthetic::folder(dir.path(), &["a", "b", "c"], [9, 2], [30, 22], "jpg");
    let open = || open_with("folder", dir.path(), Options::new(16)).unwrap().train;
    let augmentation = Augmentation::new(5.0, 0.1).unwrap().resized_crop(true).flip(true).crop_padded(2);
    let loader = |seed| Loader::train(open(), 4, seed, augmentation).unwrap();
    let whole = batches(&loader(3), 1);
    assert_eq!(whole.len(), 6);
    assert_eq!(batches(&loader(3), 1), whole);
    let resumed: Vec<Batch> = loader(3).epoch(1, 4).unwrap().map(Result::unwrap).collect();
    assert_eq!(resumed, whole[4..]);
    assert_ne!(batches(&loader(3), 2)[0].images, whole[0].images, "other crops in another epoch");
    assert_ne!(batches(&loader(4), 1)[0].images, whole[0].images, "and with another seed");
    // The host crops, so the device does not: without other augmentation it has the identity.
    let crop = Loader::train(open(), 4, 3, Augmentation::NONE.resized_crop(true)).unwrap();
    let evaluated = Loader::evaluate(open(), 27).unwrap();
    assert!(batches(&crop, 0).iter().all(|batch| batch.transforms == IDENTITY.repeat(4)));
    assert_ne!(batches(&crop, 0)[0].images[..768], batches(&evaluated, 0)[0].images[..768]);
}

#[test]
fn a_missing_file_ends_the_epoch_and_is_named() {
    let dir = pets();
    let train: Arc<dyn Dataset> = open("folder", dir.path()).unwrap().train;
    let gone = dir.path().join("train/dog/00002.png");
    fs::remove_file(&gone).unwrap();
    let error = Loader::evaluate(train, 4).unwrap().epoch(0, 0).unwrap().find_map(Result::err).unwrap();
    let error = error.to_string();
    assert!(error.contains("files have changed") && error.contains(&gone.display().to_string()), "{error}");
}

/// Sets in memory are cropped by the device, through their transforms.
#[test]
fn sets_in_memory_are_uploaded_whole() {
    let dir = tempdir().unwrap();
    synthetic::cifar10(dir.path(), 4);
    let train = open("cifar10", dir.path()).unwrap().train;
    let augmentation = Augmentation::NONE.resized_crop(true);
    let batch = batches(&Loader::train(Arc::clone(&train), 20, 0, augmentation).unwrap(), 0).remove(0);
    let mut images: Vec<&[u8]> = batch.images.chunks_exact(3072).collect();
    let mut all: Vec<Vec<u8>> = (0..20).map(|index| train.image(index).unwrap()).collect();
    images.sort_unstable();
    all.sort_unstable();
    assert_eq!(images, all);
    let shrunk = batch.transforms.chunks_exact(6).filter(|m| m[0] < 1.0 || m[4] < 1.0).count();
    assert!(shrunk >= 15, "{shrunk} of 20 are cropped");
}

#[test]
fn pictures_of_formats_that_are_not_read_are_named() {
    let dir = pets();
    fs::write(dir.path().join("train/cat/a.webp"), "x").unwrap();
    fs::write(dir.path().join("train/cat/notes.txt"), "x").unwrap();
    let sets = open("folder", dir.path()).unwrap();
    let [skipped] = sets.train.skipped() else { panic!("{:?}", sets.train.skipped()) };
    assert!(skipped.ends_with("a.webp: neither PNG nor JPEG"), "{skipped}");
    assert!(sets.test.skipped().is_empty());
}
