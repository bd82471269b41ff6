//! Small pictures embedded in a page.

use std::io::Cursor;

use anyhow::{Context, Result};
use base64::{Engine, prelude::BASE64_STANDARD};
use image::{ColorType, ImageFormat};

/// Pixels `[height, width, channels]`, 1 or 3 channels, as a PNG data URL.
pub(super) fn data_url(pixels: &[u8], [height, width]: [usize; 2], channels: usize) -> Result<String> {
    let color = if channels == 1 { ColorType::L8 } else { ColorType::Rgb8 };
    let mut png = Cursor::new(Vec::new());
    image::write_buffer_with_format(&mut png, pixels, width as u32, height as u32, color, ImageFormat::Png)
        .context("a picture of the report")?;
    Ok(format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png.into_inner())))
}

/// A convolution's filters `[K, C, R, S]` as `K` pictures `[R, S, C]`; C is 1 or 3. Each filter is scaled from its smallest
/// to its largest value.
pub(super) fn filters(weights: &[f32], [k, c, r, s]: [usize; 4]) -> Vec<Vec<u8>> {
    let filter = |k: usize| {
        let values = &weights[k * c * r * s..][..c * r * s];
        let low = values.iter().copied().fold(f32::INFINITY, f32::min);
        let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let grey = |v: f32| ((v - low) / (high - low).max(f32::MIN_POSITIVE) * 255.0).round() as u8;
        (0..r * s).flat_map(|tap| (0..c).map(move |c| grey(values[c * r * s + tap]))).collect()
    };
    (0..k).map(filter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_comes_back_from_its_address() {
        let pixels: Vec<u8> = (0..2 * 3 * 3).map(|v| v * 14).collect();
        let url = data_url(&pixels, [2, 3], 3).unwrap();
        let png = BASE64_STANDARD.decode(url.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        let image = image::load_from_memory(&png).unwrap().into_rgb8();
        assert_eq!((image.height(), image.width(), image.into_raw()), (2, 3, pixels));
    }

    #[test]
    fn filters_go_from_black_to_white_with_their_channels_last() {
        let weights: Vec<f32> = (0..12).map(|v| v as f32).collect();
        // K 2, C 3, taps 1 x 2.
        assert_eq!(filters(&weights, [2, 3, 1, 2])[1], [0, 102, 204, 51, 153, 255]);
        assert_eq!(filters(&[4.0; 9], [1, 1, 3, 3]), [[0; 9]]);
    }
}
