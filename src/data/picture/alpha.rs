//! Drawings whose transparency is the drawing: ink of any colour on a transparent page.

use image::{DynamicImage, GrayImage, Luma};

use super::{Polarity, ground::quantile};

/// Opaque parts of a drawing differ by at most so many levels: ink of one colour.
const ONE_COLOUR: u8 = 64;

/// The opacity of a drawing on a transparent page, and the polarity of its ink.
///
/// `None` if nothing is transparent, or if the opaque part is a picture itself, as that of a photograph with round corners.
pub(super) fn drawing(picture: &DynamicImage) -> Option<(GrayImage, Polarity)> {
    if !picture.color().has_alpha() {
        return None;
    }
    let pixels = picture.to_luma_alpha8();
    if pixels.pixels().all(|pixel| pixel.0[1] >= 128) {
        return None;
    }
    let opaque = || pixels.pixels().filter(|pixel| pixel.0[1] >= 128).map(|pixel| pixel.0[0]);
    if quantile(opaque(), 0.95).saturating_sub(quantile(opaque(), 0.05)) > ONE_COLOUR {
        return None;
    }
    let polarity = if quantile(opaque(), 0.5) < 128 { Polarity::DarkOnLight } else { Polarity::LightOnDark };
    let opacity =
        GrayImage::from_fn(pixels.width(), pixels.height(), |x, y| Luma([pixels.get_pixel(x, y).0[1]]));
    Some((opacity, polarity))
}
