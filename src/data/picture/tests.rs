//! Formats, colours, sizes, and files that are not pictures.

use image::{DynamicImage, GrayAlphaImage, ImageBuffer, Luma, LumaA, Rgb, Rgba, RgbaImage};

use super::*;

const DIGIT: Wanted =
    Wanted { height: 28, width: 28, channels: 1, characters: true, polarity: None, resize: None };
const COLOUR: Wanted =
    Wanted { height: 4, width: 6, channels: 3, characters: true, polarity: None, resize: None };

fn encode(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn png(picture: impl Into<DynamicImage>) -> Vec<u8> {
    encode(picture, ImageFormat::Png)
}

fn refused(bytes: &[u8]) -> String {
    let error = decode("the-file", bytes, &DIGIT).unwrap_err().to_string();
    assert!(error.starts_with("the-file: "), "{error}");
    error
}

/// A bar of `ink` on `ground`, 10 x 40 pixels at (70, 20) of 100 x 80.
fn bar(ground: u8, ink: u8) -> GrayImage {
    let inside = |x, y| (70..80).contains(&x) && (20..60).contains(&y);
    GrayImage::from_fn(100, 80, |x, y| Luma([if inside(x, y) { ink } else { ground }]))
}

/// 20 pixels high, 5 wide, its centre of mass within half a pixel of (14, 14): where MNIST puts a bar.
fn assert_is_framed_bar(picture: &Picture) {
    assert_eq!((picture.pixels.len(), picture.framed, picture.source_size), (784, true, (100, 80)));
    for (i, &value) in picture.pixels.iter().enumerate() {
        let (x, y) = (i % 28, i / 28);
        let inside = (12..17).contains(&x) && (5..25).contains(&y);
        assert_eq!(value, if inside { 255 } else { 0 }, "at ({x}, {y})");
    }
}

#[test]
fn a_bar_is_scaled_and_centred_whatever_its_colours() {
    let rgb = |r, g, b| {
        DynamicImage::from(bar(0, 255)).into_rgb8().enumerate_pixels().fold(
            RgbImage::from_pixel(100, 80, Rgb([255, 250, 230])),
            |mut page, (x, y, pixel)| {
                if pixel.0[0] > 0 {
                    page.put_pixel(x, y, Rgb([r, g, b]));
                }
                page
            },
        )
    };
    let clear = RgbaImage::from_fn(100, 80, |x, y| Rgba([0, 0, 90, bar(0, 255).get_pixel(x, y).0[0]]));
    let veiled = GrayAlphaImage::from_fn(100, 80, |x, y| LumaA([20, bar(40, 255).get_pixel(x, y).0[0]]));
    let deep =
        ImageBuffer::from_fn(100, 80, |x, y| Luma([u16::from(bar(9, 200).get_pixel(x, y).0[0]) * 257]));
    for (bytes, polarity) in [
        (png(bar(0, 255)), Polarity::LightOnDark),
        (png(bar(60, 130)), Polarity::LightOnDark),
        (png(bar(255, 0)), Polarity::DarkOnLight),
        (png(bar(200, 140)), Polarity::DarkOnLight),
        (png(rgb(30, 40, 160)), Polarity::DarkOnLight),
        (png(clear), Polarity::DarkOnLight),
        (png(veiled), Polarity::DarkOnLight),
        (png(DynamicImage::ImageLuma16(deep)), Polarity::LightOnDark),
    ] {
        let picture = decode("bar", &bytes, &DIGIT).unwrap();
        assert_eq!(picture.polarity, Some(polarity));
        assert_is_framed_bar(&picture);
    }
}

#[test]
fn a_jpeg_of_a_bar_is_nearly_a_bar() {
    let exact = decode("bar", &png(bar(255, 0)), &DIGIT).unwrap();
    let jpeg = decode("bar", &encode(bar(255, 0), ImageFormat::Jpeg), &DIGIT).unwrap();
    let errors = exact.pixels.iter().zip(&jpeg.pixels).map(|(&a, &b)| u32::from(a.abs_diff(b)));
    assert!(errors.sum::<u32>() <= 4 * 784, "{:?}", jpeg.pixels);
}

#[test]
fn a_picture_of_the_wanted_size_keeps_its_place() {
    let small = GrayImage::from_fn(28, 28, |x, y| Luma([if x == 3 && y == 9 { 90 } else { 10 }]));
    let picture = decode("small", &png(small.clone()), &DIGIT).unwrap();
    assert_eq!((picture.framed, picture.polarity), (false, Some(Polarity::LightOnDark)));
    assert_eq!(picture.pixels, small.into_raw());
}

#[test]
fn the_polarity_given_is_used() {
    let small = GrayImage::from_fn(28, 28, |x, _| Luma([x as u8]));
    let wanted = Wanted { polarity: Some(Polarity::DarkOnLight), ..DIGIT };
    let picture = decode("small", &png(small.clone()), &wanted).unwrap();
    assert_eq!(picture.polarity, Some(Polarity::DarkOnLight));
    assert!(picture.pixels.iter().zip(small.iter()).all(|(&a, &b)| a == 255 - b));
}

#[test]
fn other_frames_keep_the_share_of_the_ink() {
    let wanted = Wanted { height: 56, width: 70, ..DIGIT };
    let pixels = decode("bar", &png(bar(0, 255)), &wanted).unwrap().pixels;
    let rows: Vec<usize> = (0..56).filter(|y| pixels[y * 70..][..70].contains(&255)).collect();
    assert_eq!((rows.len(), rows[0]), (40, 9));
}

/// A digit at one end of a long line stays inside the frame.
#[test]
fn lopsided_ink_stays_inside() {
    let lopsided = GrayImage::from_fn(300, 300, |x, y| {
        let line = (20..280).contains(&x) && y == 150;
        let blob = (20..70).contains(&x) && (125..175).contains(&y);
        Luma([if line || blob { 255 } else { 0 }])
    });
    let pixels = decode("blob", &png(lopsided), &DIGIT).unwrap().pixels;
    let columns = (0..28).filter(|x| (0..28).any(|y| pixels[y * 28 + x] > 0)).count();
    assert_eq!(columns, 20);
}

#[test]
fn colours_are_kept_and_the_middle_is_cut_out() {
    // 4 : 6 of 10 x 20 is 10 x 15: columns 2 to 16, which leaves out the green ends.
    let flag =
        RgbImage::from_fn(
            20,
            10,
            |x, _| {
                if (2..17).contains(&x) { Rgb([200, 0, 50]) } else { Rgb([0, 255, 0]) }
            },
        );
    let picture = decode("flag", &png(flag), &COLOUR).unwrap();
    assert_eq!((picture.polarity, picture.framed), (None, false));
    assert_eq!(picture.pixels, [200, 0, 50].repeat(24));

    let grey = decode("grey", &png(GrayImage::from_pixel(5, 9, Luma([77]))), &COLOUR).unwrap();
    assert_eq!(grey.pixels, [77; 72]);
    // One row of many pixels must not be scaled up whole.
    let row = decode("row", &png(GrayImage::from_pixel(16_384, 1, Luma([9]))), &COLOUR).unwrap();
    assert_eq!(row.pixels, [9; 72]);
}

#[test]
fn a_photograph_is_turned_upright() {
    // EXIF with one entry: orientation 6, a quarter turn clockwise to be upright.
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    let mut segment = vec![0xff, 0xe1, 0, exif.len() as u8 + 2];
    segment.append(&mut exif);
    let lying = imageops::rotate270(&bar(255, 0));
    let mut jpeg = encode(lying, ImageFormat::Jpeg);
    jpeg.splice(2..2, segment);
    let picture = decode("photo", &jpeg, &DIGIT).unwrap();
    assert_eq!(picture.source_size, (100, 80));
    let column = |x: usize| (0..28).map(|y| u32::from(picture.pixels[y * 28 + x])).sum::<u32>();
    assert!(column(14) > 18 * 255 && column(8) < 255, "the bar stands");
}

#[test]
fn files_that_are_not_pictures_are_refused() {
    assert!(refused(b"").contains("0 bytes"));
    assert!(refused(b"hello").contains("not a picture (it begins with 68 65 6c 6c)"));
    assert!(refused(b"GIF89a and more").contains("Gif, but only PNG and JPEG"));
    let sound = png(bar(0, 255));
    for length in [8, 20, 40, sound.len() / 2] {
        let error = refused(&sound[..length]);
        assert!(error.contains("damaged picture"), "{length}: {error}");
    }
    let mut jpeg = encode(bar(0, 255), ImageFormat::Jpeg);
    assert!(refused(&jpeg[..20]).contains("damaged picture"));
    // A frame header (SOF0: length 2, precision 1) that says 0 rows.
    let frame = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 7].fill(0);
    let error = refused(&jpeg);
    assert!(error.contains("damaged picture") && error.contains("zero"), "{error}");
}

/// The decoder alone would fill the missing part with grey and say nothing.
#[test]
fn a_jpeg_cut_short_is_refused() {
    let jpeg = encode(bar(255, 0), ImageFormat::Jpeg);
    for length in [jpeg.len() / 2, jpeg.len() * 3 / 4, jpeg.len() - 1] {
        let error = refused(&jpeg[..length]);
        assert!(error.contains("damaged picture") || error.contains("before the picture does"), "{error}");
    }
    assert!(refused(&jpeg[..jpeg.len() - 1]).contains("fetch or save it again"));
    // Data that cameras append after the picture does not matter.
    let appended = [&jpeg[..], b"a film"].concat();
    assert_eq!(decode("jpeg", &appended, &DIGIT).unwrap(), decode("jpeg", &jpeg, &DIGIT).unwrap());
}

/// Only a PNG's header, with a correct checksum.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut chunk = b"IHDR".to_vec();
    chunk.extend([width, height].iter().flat_map(|side| side.to_be_bytes()));
    chunk.extend([16, 6, 0, 0, 0]);
    let mut crc = flate2::Crc::new();
    crc.update(&chunk);
    let idat = [0, 0, 0, 0, b'I', b'D', b'A', b'T', 0x35, 0xaf, 0x06, 0x1e];
    [b"\x89PNG\r\n\x1a\n\0\0\0\x0d", &chunk[..], &crc.sum().to_be_bytes(), &idat].concat()
}

#[test]
fn sizes_out_of_bounds_are_refused() {
    for (width, height) in [(16_385, 1), (1, 100_000), (9000, 9000)] {
        let error = refused(&png_header(width, height));
        assert!(error.contains(&format!("{width} x {height} pixels")), "{error}");
        assert!(
            error.contains("16384") && error.contains("512 MiB") && error.contains("scale it down"),
            "{error}"
        );
    }
    // A single row exceeds the decoder's limit.
    let error = refused(&png_header(0x7fff_ffff, 0x7fff_ffff));
    assert!(error.contains("more than 512 MiB") && error.contains("scale it down"), "{error}");
    for (width, height) in [(0, 5), (5, 0), (0, 0)] {
        assert!(refused(&png_header(width, height)).contains("damaged picture"));
    }
}

#[test]
fn a_picture_without_ink_is_refused() {
    let error = refused(&png(GrayImage::from_pixel(50, 50, Luma([240]))));
    assert!(error.contains("no digit found") && error.contains("by 0 of 255"), "{error}");
    assert!(refused(&png(bar(100, 120))).contains("by 20 of 255"));
    let one = png(GrayImage::from_pixel(1, 1, Luma([0])));
    assert!(refused(&one).contains("no digit found"));
}

/// Nothing is found, or something; never a panic.
#[test]
fn odd_pictures_end_in_an_answer_or_an_error() {
    let values: [fn(u32, u32) -> u8; 4] =
        [|_, _| 0, |_, _| 255, |x, y| (x * 7919 + y * 104_729 + x * y * 31) as u8, |x, _| (x / 64) as u8];
    for (width, height) in [(1, 1), (1, 500), (16_384, 1), (3, 3), (2000, 2), (300, 200)] {
        for value in values {
            let grey = GrayImage::from_fn(width, height, |x, y| Luma([value(x, y)]));
            match decode("odd", &png(grey), &DIGIT) {
                Ok(picture) => {
                    let bounds = picture.bounds.unwrap();
                    assert!(bounds.left + bounds.width <= width as usize, "{bounds:?}");
                    assert!(bounds.top + bounds.height <= height as usize, "{bounds:?}");
                }
                Err(error) => assert!(error.to_string().contains("no digit found"), "{error}"),
            }
        }
    }
}

/// A coat is no digit: what the network saw in training, enlarged, comes back as it was.
#[test]
fn pictures_of_things_are_only_resized() {
    let coat = GrayImage::from_fn(28, 28, |x, y| {
        Luma([if (6..22).contains(&x) && y > 2 { 150 + (x * y % 7) as u8 } else { 0 }])
    });
    let wanted = Wanted { characters: false, ..DIGIT };
    for side in [28, 280] {
        let large = imageops::resize(&coat, side, side, FilterType::Nearest);
        let found = decode("coat", &png(large), &wanted).unwrap();
        assert_eq!((found.framed, found.polarity), (false, None));
        assert!(found.pixels.iter().zip(coat.iter()).all(|(a, b)| a.abs_diff(*b) <= 80));
        let errors = found.pixels.iter().zip(coat.iter()).map(|(a, b)| u32::from(a.abs_diff(*b)));
        assert!(errors.sum::<u32>() <= 4 * 784, "{side}");
    }
    // A black picture too is a picture.
    assert_eq!(decode("black", &png(GrayImage::new(50, 50)), &wanted).unwrap().pixels, [0; 784]);
}

/// White ink on a transparent page, which would vanish over white.
#[test]
fn opacity_is_ink() {
    let clear =
        |ink: u8| GrayAlphaImage::from_fn(100, 80, |x, y| LumaA([ink, bar(0, 255).get_pixel(x, y).0[0]]));
    for (ink, polarity) in [(255, Polarity::LightOnDark), (0, Polarity::DarkOnLight)] {
        let picture = decode("clear", &png(clear(ink)), &DIGIT).unwrap();
        assert_eq!(picture.polarity, Some(polarity));
        assert_is_framed_bar(&picture);
    }
}

/// The line ends at the border, and the bar stands on it.
#[test]
fn lines_and_specks_are_not_ink() {
    let lined = GrayImage::from_fn(100, 80, |x, y| {
        let speck = (x, y) == (20, 33);
        let ink = bar(255, 0).get_pixel(x, y).0[0] == 0;
        Luma([if ink || y % 16 == 5 || speck { 0 } else { 255 }])
    });
    let pixels = decode("lined", &png(lined), &DIGIT).unwrap().pixels;
    let columns: Vec<usize> = (0..28).filter(|x| (0..28).any(|y| pixels[y * 28 + x] > 128)).collect();
    assert!((5..=6).contains(&columns.len()), "{columns:?}");
}

#[test]
fn forms_that_no_network_has_are_refused() {
    for (height, width, channels) in [(0, 28, 1), (28, 0, 3), (28, 28, 2), (28, 28, 0)] {
        let wanted = Wanted { height, width, channels, characters: true, polarity: None, resize: None };
        let error = decode("bar", &png(bar(0, 255)), &wanted).unwrap_err();
        assert!(matches!(error, PictureError::Wanted { .. }), "{error}");
    }
}

#[test]
fn files_are_opened_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bar.jpg"); // The content decides, not the name.
    std::fs::write(&path, png(bar(255, 0))).unwrap();
    assert_is_framed_bar(&open(&path, &DIGIT).unwrap());
    for missing in [dir.path().join("none.png"), dir.path().to_owned()] {
        let error = open(&missing, &DIGIT).unwrap_err();
        assert!(matches!(error, PictureError::Io { .. }), "{error}");
        assert!(error.to_string().starts_with(&missing.display().to_string()));
    }
}

/// Pillow 13's `crop` and bilinear `resize`, which torchvision's transforms of files call, within a rounding.
#[test]
fn parts_are_cut_and_scaled_as_pillow_does() {
    let picture = RgbImage::from_fn(12, 10, |x, y| {
        Rgb([(x * 37 + y * 91) as u8, (x * x * 13 + y * 57) as u8, (x * y * 29 + 7) as u8])
    });
    for (part, size, expected) in [
        (Rectangle { top: 2, left: 1, height: 8, width: 10 }, [4, 5], &PILLOW_DOWN[..]),
        (Rectangle { top: 1, left: 3, height: 4, width: 4 }, [6, 6], &PILLOW_UP[..]),
    ] {
        let found = cut(&picture, part, size).into_raw();
        assert_eq!(found.len(), expected.len());
        let error = found.iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(error <= Some(1), "{part:?}: {found:?}");
    }
}

const PILLOW_DOWN: [u8; 60] = [
    101, 163, 121, 103, 132, 136, 145, 142, 106, 123, 151, 131, 94, 164, 79, 130, 114, 135, 108, 134, 132,
    114, 144, 137, 136, 114, 134, 127, 104, 103, 138, 141, 152, 130, 116, 119, 108, 122, 148, 114, 128, 125,
    140, 140, 116, 133, 130, 127, 134, 120, 103, 135, 121, 99, 99, 93, 72, 111, 121, 59,
];

const PILLOW_UP: [u8; 108] = [
    202, 174, 94, 221, 92, 109, 202, 29, 128, 57, 106, 147, 39, 70, 167, 57, 13, 181, 120, 203, 138, 139,
    121, 160, 141, 58, 167, 81, 135, 111, 85, 99, 119, 103, 42, 140, 52, 198, 153, 71, 137, 184, 95, 96, 191,
    120, 173, 90, 145, 137, 75, 163, 80, 85, 113, 65, 40, 132, 90, 82, 156, 133, 129, 181, 210, 155, 206,
    174, 97, 224, 117, 31, 174, 61, 56, 129, 107, 107, 89, 150, 153, 114, 142, 135, 139, 149, 118, 157, 156,
    104, 219, 89, 99, 110, 135, 157, 6, 157, 192, 31, 64, 98, 56, 113, 133, 74, 184, 191,
];
