//! Bytes of pixels in the order in which products read them.

use super::dot::Dot;

/// The input of a layer: images `[n, h, w, c]`, each pixel with `taps` neighbours: 9, or itself alone.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub input: &'a [u8],
    pub n: usize,
    pub h: usize,
    pub w: usize,
    pub c: usize,
    pub taps: usize,
    /// The byte of the pixels outside.
    pub zero: u8,
}

impl<'a> Source<'a> {
    pub fn pixels(&self) -> usize {
        self.n * self.h * self.w
    }

    /// The channels of a pixel of an image, of which row -1 and column -1 and those after the last are `blank`.
    #[inline]
    pub fn pixel(&self, n: usize, [y, x]: [isize; 2], blank: &'a [u8]) -> &'a [u8] {
        let &Self { h, w, c, .. } = self;
        if (0..h as isize).contains(&y) && (0..w as isize).contains(&x) {
            &self.input[((n * h + y as usize) * w + x as usize) * c..][..c]
        } else {
            &blank[..c]
        }
    }

    /// The receptive fields of `count` consecutive pixels of the batch: `words[taps, c / 4, stride]`.
    #[inline(always)]
    pub fn pack_fields<D: Dot>(
        &self,
        first: usize,
        count: usize,
        blank: &'a [u8],
        words: &mut [D::Word],
        stride: usize,
    ) {
        let &Self { h, w, c, taps, .. } = self;
        let mut places = [(0, [0; 2]); 14];
        for (at, place) in places.iter_mut().take(count).enumerate() {
            let at = first + at;
            *place = (at / (h * w), [(at / w % h) as isize, (at % w) as isize]);
        }
        let reach = isize::from(taps == 9);
        let mut words = words.chunks_exact_mut(c / 4 * stride);
        for r in -reach..=reach {
            for s in -reach..=reach {
                let mut pixels = [blank; 14];
                for (pixel, &(n, [y, x])) in pixels.iter_mut().zip(&places[..count]) {
                    *pixel = self.pixel(n, [y + r, x + s], blank);
                }
                transpose::<D>(&pixels[..count], words.next().unwrap(), stride);
            }
        }
    }

    /// `rows` rows of an image from row `first - 1` on, with the column before the first and the one after the last:
    /// `words[rows, c / 4, w + 2]`.
    #[inline(always)]
    pub fn pack_rows<D: Dot>(
        &self,
        n: usize,
        first: usize,
        rows: usize,
        blank: &'a [u8],
        words: &mut [D::Word],
    ) {
        let &Self { w, c, .. } = self;
        for (row, words) in words.chunks_exact_mut(c / 4 * (w + 2)).take(rows).enumerate() {
            let y = (first + row) as isize - 1;
            for x in (0..w + 2).step_by(16) {
                let count = (w + 2 - x).min(16);
                let mut pixels = [blank; 16];
                for (at, pixel) in pixels.iter_mut().take(count).enumerate() {
                    *pixel = self.pixel(n, [y, (x + at) as isize - 1], blank);
                }
                transpose::<D>(&pixels[..count], &mut words[x..], w + 2);
            }
        }
    }
}

/// `words[quad * stride + pixel]` from the channels of pixels.
#[inline(always)]
fn transpose<D: Dot>(pixels: &[&[u8]], words: &mut [D::Word], stride: usize) {
    if pixels.len() < 4 {
        for (at, pixel) in pixels.iter().enumerate() {
            for (word, &bytes) in words[at..].iter_mut().step_by(stride).zip(pixel.as_chunks().0) {
                [*word, ..] = D::words([bytes; 4]);
            }
        }
        return;
    }
    for at in (0..pixels.len()).step_by(4) {
        // The last four may be some of those before once more.
        let at = at.min(pixels.len() - 4);
        let [a, b, c, d] = [&pixels[at], &pixels[at + 1], &pixels[at + 2], &pixels[at + 3]];
        let pixels =
            a.as_chunks::<4>().0.iter().zip(b.as_chunks().0).zip(c.as_chunks().0).zip(d.as_chunks().0);
        for ((((a, b), c), d), words) in pixels.zip(words.chunks_mut(stride)) {
            words[at..at + 4].copy_from_slice(&D::words([*a, *b, *c, *d]));
        }
    }
}
