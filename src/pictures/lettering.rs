//! Text in pictures of pixels: printable ASCII, from `glyphs.png`, which was rendered from DejaVu Sans at 15 px.

use std::sync::LazyLock;

use image::{GrayImage, Rgb, RgbImage};

/// The cell of a glyph in the file, and so the height of a line.
const CELL: u32 = 16;
pub(super) const LINE: u32 = 20;
/// The space between two characters, and between two words.
const BETWEEN: u32 = 1;
const SPACE: u32 = 5;

static GLYPHS: LazyLock<GrayImage> = LazyLock::new(|| {
    image::load_from_memory(include_bytes!("glyphs.png")).expect("the file is sound").into_luma8()
});

/// The place of a character in the file; that of a question mark for what is not there.
fn place(character: char) -> u32 {
    let printable = |c: char| matches!(c, ' '..='~').then_some(c as u32 - 32);
    printable(character).unwrap_or('?' as u32 - 32) * CELL
}

/// How far a character reaches.
fn advance(character: char) -> u32 {
    let left = place(character);
    let inked = |x: &u32| (0..LINE).any(|y| GLYPHS.get_pixel(left + x, y)[0] > 0);
    (0..CELL).rev().find(inked).map_or(SPACE, |last| last + 1 + BETWEEN)
}

/// The width of a text in pixels.
pub(super) fn width(text: &str) -> u32 {
    text.chars().map(advance).sum()
}

/// As much of a text as fits, with dots in place of the rest.
pub(super) fn cut(text: &str, most: u32) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let dots = width("...");
    let mut left = most.saturating_sub(dots);
    let fits = text.chars().take_while(|&c| {
        let needed = advance(c);
        let fits = needed <= left;
        left = left.saturating_sub(needed);
        fits
    });
    fits.collect::<String>() + "..."
}

/// Writes a text in a shade of grey, its upper left corner at a pixel; what is outside of the picture is left out.
pub(super) fn write(picture: &mut RgbImage, text: &str, [mut x, y]: [u32; 2], shade: u8) {
    for character in text.chars() {
        let (left, reach) = (place(character), advance(character));
        for (dx, dy) in (0..LINE).flat_map(|dy| (0..reach.min(CELL)).map(move |dx| (dx, dy))) {
            let ink = u32::from(GLYPHS.get_pixel(left + dx, dy)[0]);
            if ink == 0 {
                continue;
            }
            if let Some(pixel) = picture.get_pixel_mut_checked(x + dx, y + dy) {
                *pixel = Rgb(pixel
                    .0
                    .map(|paper| ((u32::from(paper) * (255 - ink) + u32::from(shade) * ink) / 255) as u8));
            }
        }
        x += reach;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_there_and_fits() {
        for character in '!'..='~' {
            assert!((BETWEEN + 1..=CELL + BETWEEN).contains(&advance(character)), "{character}");
        }
        assert_eq!(width("é"), width("?"));
    }

    #[test]
    fn long_texts_are_cut() {
        let text = "a rather long name of a class";
        assert_eq!(cut(text, 1000), text);
        for most in [0, 30, 100, 200] {
            let cut = cut(text, most);
            assert!(cut.ends_with("...") && width(&cut) <= most.max(width("...")), "{most}: {cut}");
        }
    }

    #[test]
    fn texts_leave_ink_inside_the_picture() {
        let mut picture = RgbImage::from_pixel(40, 20, Rgb([255; 3]));
        write(&mut picture, "wide text", [10, 5], 0);
        assert!(picture.pixels().any(|pixel| pixel[0] < 64));
    }
}
