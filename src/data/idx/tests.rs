//! Valid files and every kind of invalid one.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;

fn idx(magic: u32, dimensions: &[u32], values: &[u8]) -> Vec<u8> {
    let words = std::iter::once(&magic).chain(dimensions);
    words.flat_map(|word| word.to_be_bytes()).chain(values.iter().copied()).collect()
}

fn images(count: u32, height: u32, width: u32) -> Vec<u8> {
    let values: Vec<u8> = (0..count * height * width).map(|i| (i * 7 % 256) as u8).collect();
    idx(0x803, &[count, height, width], &values)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn read(bytes: &[u8], kind: IdxKind) -> Result<IdxFile, IdxError> {
    IdxFile::read("the-file", bytes, kind)
}

/// The error's text, which names the file and is the same for plain and gzipped bytes.
fn refused(bytes: &[u8], kind: IdxKind) -> String {
    let error = read(bytes, kind).unwrap_err().to_string();
    assert!(error.starts_with("the-file: "), "{error}");
    assert_eq!(error, read(&gzip(bytes), kind).unwrap_err().to_string());
    error
}

#[test]
fn plain_and_gzipped_content_are_the_same() {
    let bytes = images(3, 2, 5);
    for content in [bytes.clone(), gzip(&bytes)] {
        let file = read(&content, IdxKind::Images).unwrap();
        assert_eq!((file.len(), file.image_size(), file.kind()), (3, (2, 5), IdxKind::Images));
        assert_eq!((file.bytes(), file.values()), (&bytes[..], &bytes[16..]));
    }
    let labels = read(&idx(0x801, &[3], &[4, 5, 6]), IdxKind::Labels).unwrap();
    assert_eq!((labels.len(), labels.values()), (3, &[4u8, 5, 6][..]));
}

#[test]
fn a_gzip_stream_may_have_several_members() {
    let bytes = images(3, 2, 5);
    let members = [gzip(&bytes[..20]), gzip(&bytes[20..])].concat();
    assert_eq!(read(&members, IdxKind::Images).unwrap().bytes(), bytes);
}

#[test]
fn swapped_files_are_called_swapped() {
    let error = refused(&images(1, 2, 2), IdxKind::Labels);
    assert!(
        error.contains("contains images, but labels are expected") && error.contains("swapped?"),
        "{error}"
    );
    let error = refused(&idx(0x801, &[1], &[0]), IdxKind::Images);
    assert!(error.contains("contains labels, but images are expected"), "{error}");
}

#[test]
fn other_magic_numbers_are_refused() {
    let error = refused(b"PK\x03\x04 and so on", IdxKind::Images);
    assert!(error.contains("0x504b0304") && error.contains("0x00000803"), "{error}");
    assert!(error.contains("not an IDX file"), "{error}");
    // f32 images; u8 with four dimensions.
    for magic in [0x0D03, 0x0804] {
        let error = refused(&idx(magic, &[1, 1, 1], &[0; 4]), IdxKind::Images);
        assert!(error.contains("IDX of another type or number of dimensions"), "{error}");
    }
}

#[test]
fn a_file_that_ends_early_is_called_truncated() {
    let bytes = images(3, 2, 5);
    for length in (0..bytes.len()).filter(|length| *length != 4) {
        let error = refused(&bytes[..length], IdxKind::Images);
        let facts = if length < 16 {
            [format!("{length} bytes"), "header alone of IDX images is 16".to_owned()]
        } else {
            [format!("{} bytes of pixels", length - 16), "promises 30".to_owned()]
        };
        assert!(facts.iter().all(|fact| error.contains(fact)), "{length}: {error}");
        assert!(error.contains("truncated, fetch it again"), "{error}");
    }
}

#[test]
fn a_file_with_trailing_bytes_is_refused() {
    let mut bytes = images(3, 2, 5);
    bytes.push(0);
    let error = refused(&bytes, IdxKind::Images);
    assert!(error.contains("continues after the 30 bytes of pixels"), "{error}");
    // Something appended to the gzip stream rather than to its content.
    let appended = [gzip(&images(3, 2, 5)), b"rubbish".to_vec()].concat();
    assert!(matches!(read(&appended, IdxKind::Images), Err(IdxError::Gzip { bytes: 46, .. })));
}

#[test]
fn impossible_headers_are_refused() {
    let error = refused(&images(0, 28, 28), IdxKind::Images);
    assert!(error.contains("promises 0 images"), "{error}");
    assert!(refused(&idx(0x801, &[0], &[]), IdxKind::Labels).contains("promises 0 labels"));
    for [height, width] in [[0, 28], [28, 0], [4097, 28], [28, u32::MAX]] {
        let error = refused(&idx(0x803, &[1, height, width], &[0; 28]), IdxKind::Images);
        assert!(error.contains(&format!("{height} x {width} pixels")) && error.contains("4096"), "{error}");
    }
}

/// 2^56 pixels promised, 5 present: an immediate error, without allocating for the rest.
#[test]
fn a_header_takes_no_memory_by_itself() {
    let error = refused(&idx(0x803, &[u32::MAX, 4096, 4096], &[0; 5]), IdxKind::Images);
    assert!(error.contains("5 bytes of pixels, but the header promises 72057594021150720"), "{error}");
}

/// 64 MiB of zeros after a header that promises four pixels.
#[test]
fn a_gzip_bomb_is_cut_off() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&images(1, 2, 2)).unwrap();
    for _ in 0..64 {
        encoder.write_all(&[0; 1 << 20]).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    assert!(matches!(read(&bomb, IdxKind::Images), Err(IdxError::Trailing { expected: 4, .. })));
}

#[test]
fn damaged_gzip_streams_are_refused() {
    let sound = gzip(&images(30, 10, 10));
    // The checksum over the content, and the stream's end.
    let mut checksum = sound.clone();
    let at = checksum.len() - 8;
    checksum[at] ^= 1;
    let error = read(&checksum, IdxKind::Images).unwrap_err().to_string();
    assert!(error.contains("damaged gzip stream") && error.contains("fetch the file again"), "{error}");
    assert!(matches!(read(&sound[..sound.len() - 3], IdxKind::Images), Err(IdxError::Gzip { .. })));
    for length in 0..sound.len() {
        assert!(read(&sound[..length], IdxKind::Images).is_err(), "{length}");
    }
}

#[test]
fn images_and_labels_must_belong_together() {
    let names = |classes: usize| (0..classes).map(|class| class.to_string()).collect::<Vec<_>>();
    let one = || Normalization { mean: vec![0.0], std: vec![1.0] };
    let pixels = read(&images(3, 2, 2), IdxKind::Images).unwrap();
    let labels = |values: &[u8]| {
        let bytes = idx(0x801, &[values.len() as u32], values);
        IdxFile::read("the-labels", &bytes[..], IdxKind::Labels).unwrap()
    };
    let join = |values: &[u8], classes| {
        IdxDataset::new("set", pixels.clone(), labels(values), names(classes), one())
    };
    let set = join(&[0, 2, 1], 3).unwrap();
    assert_eq!((set.len(), set.height(), set.width(), set.channels(), set.classes()), (3, 2, 2, 1, 3));
    assert_eq!((set.label(1), set.image(2).unwrap()), (2, vec![56u8, 63, 70, 77]));

    let error = join(&[0, 1], 3).unwrap_err().to_string();
    assert!(error.contains("the-file has 3 images, but the-labels has 2 labels"), "{error}");
    let error = join(&[0, 1, 3], 3).unwrap_err().to_string();
    assert!(error.contains("the-labels: label 2 is 3, but there are 3 classes"), "{error}");
    let swapped = IdxDataset::new("set", labels(&[0]), pixels.clone(), names(3), one());
    assert!(matches!(swapped, Err(IdxError::Swapped { .. })));
}

#[test]
fn train_and_test_must_be_of_one_size() {
    let files = [images(1, 2, 2), idx(0x801, &[1], &[0]), images(1, 2, 3), idx(0x801, &[1], &[0])];
    let mut parts = Part::ALL.iter().zip(&files);
    let files = [(); 4].map(|()| {
        let (part, bytes) = parts.next().unwrap();
        IdxFile::read(part.stem(), &bytes[..], part.kind()).unwrap()
    });
    let error = IdxDataset::pair("set", files, vec!["0".to_owned()], None).unwrap_err().to_string();
    assert!(error.contains("2 x 2") && error.contains("2 x 3"), "{error}");
}

#[test]
fn measured_moments_match_a_direct_sum() {
    let pixels = [0u8, 0, 255, 51, 102];
    let values: Vec<f64> = pixels.iter().map(|&p| f64::from(p) / 255.0).collect();
    let mean = values.iter().sum::<f64>() / 5.0;
    let std = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 5.0).sqrt();
    let found = measure(&pixels);
    assert!((f64::from(found.mean[0]) - mean).abs() <= 1e-7);
    assert!((f64::from(found.std[0]) - std).abs() <= 1e-7);
    assert_eq!(measure(&[7; 10]).std, [1.0], "a constant set must not divide by 0");
}

proptest! {
    /// Reading returns for any bytes, and accepted files are consistent.
    #[test]
    fn any_bytes_are_read_or_refused(tail: Vec<u8>, compressed: bool) {
        let bytes = [&[0, 0, 8, 3, 0, 0, 0][..], &tail].concat();
        let bytes = if compressed { gzip(&bytes) } else { bytes };
        if let Ok(file) = read(&bytes, IdxKind::Images) {
            let (height, width) = file.image_size();
            prop_assert_eq!(file.values().len(), file.len() * height * width);
        }
    }

    /// One changed byte of a gzipped file is always detected, except where the gzip header ignores it.
    #[test]
    fn a_changed_byte_is_noticed(at in 10usize..200, flip in 1u8..=255) {
        let bytes = images(30, 10, 10);
        let mut damaged = gzip(&bytes);
        let at = at.min(damaged.len() - 1);
        damaged[at] ^= flip;
        if let Ok(file) = read(&damaged, IdxKind::Images) {
            prop_assert_eq!(file.bytes(), bytes);
        }
    }
}
