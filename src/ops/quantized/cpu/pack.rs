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
    fn pixel(&self, n: usize, [y, x]: [isize; 2], blank: &'a [u8]) -> &'a [u8] {
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
        let places: [_; 14] = std::array::from_fn(|p| {
            let at = first + p.min(count - 1);
            (at / (h * w), [at / w % h, at % w].map(|at| at as isize))
        });
        let reach = isize::from(taps == 9);
        let mut words = words.chunks_exact_mut(c / 4 * stride);
        for r in -reach..=reach {
            for s in -reach..=reach {
                let pixels = places.map(|(n, [y, x])| self.pixel(n, [y + r, x + s], blank));
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
                let pixels: [_; 16] =
                    std::array::from_fn(|p| self.pixel(n, [y, (x + p.min(count - 1)) as isize - 1], blank));
                transpose::<D>(&pixels[..count], &mut words[x..], w + 2);
            }
        }
    }
}

/// `words[quad * stride + pixel]` from the channels of pixels.
#[inline(always)]
fn transpose<D: Dot>(pixels: &[&[u8]], words: &mut [D::Word], stride: usize) {
    let c = pixels[0].len();
    if pixels.len() < 4 {
        for (at, pixel) in pixels.iter().enumerate() {
            for (word, &bytes) in words[at..].iter_mut().step_by(stride).zip(pixel.as_chunks().0) {
                *word = D::word(bytes);
            }
        }
        return;
    }
    for at in (0..pixels.len()).step_by(4) {
        // The last four may be some of those before once more.
        let at = at.min(pixels.len() - 4);
        let four: [&[u8]; 4] = [0, 1, 2, 3].map(|p| &pixels[at + p][..c]);
        let mut words = words.chunks_mut(stride).map(|words| words[at..].first_chunk_mut::<4>().unwrap());
        let whole = c / 16 * 16;
        for channel in (0..whole).step_by(16) {
            let block: [[[u8; 4]; 4]; 4] =
                four.map(|pixel| bytemuck::cast(*pixel[channel..].first_chunk::<16>().unwrap()));
            for quad in 0..4 {
                *words.next().unwrap() = block.map(|pixel| D::word(pixel[quad]));
            }
        }
        for channel in (whole..c).step_by(4) {
            *words.next().unwrap() = four.map(|pixel| D::word(*pixel[channel..].first_chunk().unwrap()));
        }
    }
}
