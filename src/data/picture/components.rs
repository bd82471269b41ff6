//! Connected parts of a mask.

use super::super::Rectangle;

/// Which pixels are set, row by row.
#[derive(Clone, Debug)]
pub(super) struct Mask {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) bits: Vec<bool>,
}

/// A connected part: pixels that touch each other, corners included.
#[derive(Clone, Debug)]
pub(super) struct Component {
    /// Its bounding box.
    pub(super) bounds: Rectangle,
    /// Its pixels, as indices in the mask.
    pub(super) pixels: Vec<usize>,
}

impl Component {
    /// Whether a pixel of another part is at most `near` pixels away, in each direction.
    pub(super) fn is_near(&self, other: &Self, near: usize, width: usize) -> bool {
        let Rectangle { top, left, height, width: wide } = self.bounds;
        let (x0, y0) = (left.saturating_sub(near), top.saturating_sub(near));
        let reach =
            Rectangle { top: y0, left: x0, height: top + height + near - y0, width: left + wide + near - x0 };
        let mut set = vec![false; reach.height * reach.width];
        let inside = |pixel: usize| {
            let (x, y) = (pixel % width, pixel / width);
            let (x, y) = (x.checked_sub(reach.left)?, y.checked_sub(reach.top)?);
            (x < reach.width && y < reach.height).then_some((x, y))
        };
        for (x, y) in self.pixels.iter().filter_map(|&pixel| inside(pixel)) {
            set[y * reach.width + x] = true;
        }
        other.pixels.iter().filter_map(|&pixel| inside(pixel)).any(|(x, y)| {
            let columns = x.saturating_sub(near)..(x + near + 1).min(reach.width);
            (y.saturating_sub(near)..(y + near + 1).min(reach.height))
                .any(|row| set[row * reach.width..][columns.clone()].contains(&true))
        })
    }
}

impl Mask {
    pub(super) fn transposed(&self) -> Self {
        let (width, height) = (self.height, self.width);
        let mut bits = vec![false; self.bits.len()];
        for (y, row) in self.bits.chunks_exact(self.width).enumerate() {
            row.iter().enumerate().for_each(|(x, &set)| bits[x * width + y] = set);
        }
        Self { width, height, bits }
    }

    /// Its connected parts whose longer side has at least `least` pixels, larger ones first.
    pub(super) fn components(&self, least: usize) -> Vec<Component> {
        let mut left = self.bits.clone();
        let mut found = Vec::new();
        for start in 0..left.len() {
            if !left[start] {
                continue;
            }
            left[start] = false;
            let mut pixels = vec![start];
            let mut next = 0;
            let [mut x0, mut y0, mut x1, mut y1] = [usize::MAX, usize::MAX, 0, 0];
            while let Some(&pixel) = pixels.get(next) {
                next += 1;
                let (x, y) = (pixel % self.width, pixel / self.width);
                (x0, y0, x1, y1) = (x0.min(x), y0.min(y), x1.max(x), y1.max(y));
                for j in y.saturating_sub(1)..(y + 2).min(self.height) {
                    for i in x.saturating_sub(1)..(x + 2).min(self.width) {
                        let neighbour = j * self.width + i;
                        if left[neighbour] {
                            left[neighbour] = false;
                            pixels.push(neighbour);
                        }
                    }
                }
            }
            let bounds = Rectangle { top: y0, left: x0, height: y1 - y0 + 1, width: x1 - x0 + 1 };
            if bounds.height.max(bounds.width) >= least {
                found.push(Component { bounds, pixels });
            }
        }
        found.sort_by_key(|component| std::cmp::Reverse(component.pixels.len()));
        found
    }
}

/// The distance of each pixel of a part from the outside, in pixels: 1 at its edge. Row by row of its bounding box, 0 outside.
pub(super) fn depths(bounds: Rectangle, pixels: &[usize], width: usize) -> Vec<u32> {
    let (wide, high) = (bounds.width + 2, bounds.height + 2);
    let mut depths = vec![0u32; wide * high];
    let place = |&pixel: &usize| (pixel / width - bounds.top + 1) * wide + pixel % width - bounds.left + 1;
    pixels.iter().for_each(|pixel| depths[place(pixel)] = u32::MAX - 1);
    let forwards = [wide + 1, wide, wide - 1, 1];
    for i in 0..depths.len() {
        if depths[i] > 0 {
            depths[i] =
                forwards.iter().map(|back| depths[i - back]).min().unwrap_or(0).min(depths[i] - 1) + 1;
        }
    }
    for i in (0..depths.len()).rev() {
        if depths[i] > 0 {
            let near = forwards.iter().map(|ahead| depths[i + ahead]).min().unwrap_or(0);
            depths[i] = depths[i].min(near + 1);
        }
    }
    (1..high - 1).flat_map(|y| depths[y * wide + 1..][..bounds.width].to_vec()).collect()
}
