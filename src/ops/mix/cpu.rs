//! Erasing and mixing.

use rayon::prelude::*;

use super::{Mix, MixImages, MixImagesOperands};
use crate::{
    cpu::{Scalar, Scratch, Twin},
    ops::Slices,
};

impl Twin for MixImages {
    /// `images[n, h, w, c]`, erased and mixed by `mixes[n, 10]`, to `output[n, h, w, c]`.
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let MixImagesOperands { images, mixes, output } = operands;
        let [h, w] = self.size;
        let row = w * self.channels;
        let inside = |rectangle: &[S], y: S, x: S| {
            y >= rectangle[0] && x >= rectangle[1] && y < rectangle[2] && x < rectangle[3]
        };
        output.par_chunks_mut(row).enumerate().for_each(|(index, output)| {
            let (n, y) = (index / h, S::of((index % h) as f64));
            let before = (n + self.n - 1) % self.n;
            let [own, other] = [n, before].map(|image| &mixes[image * Mix::LEN..][..Mix::LEN]);
            let [own_row, other_row] =
                [n, before].map(|image| &images[(image * h + index % h) * row..][..row]);
            for (at, out) in output.iter_mut().enumerate() {
                let x = S::of((at / self.channels) as f64);
                let pixel = |mix: &[S], row: &[S]| if inside(&mix[..4], y, x) { S::ZERO } else { row[at] };
                let share = if inside(&own[4..8], y, x) { S::ZERO } else { own[8] };
                *out = share * pixel(own, own_row) + (S::ONE - share) * pixel(other, other_row);
            }
        });
    }
}
