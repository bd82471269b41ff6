//! Where the digits of a picture are.

use image::{GrayImage, Luma};

use super::super::Rectangle;
use super::{
    Polarity,
    components::{Component, Mask, depths},
    ground::{quantile, strength},
    lines,
};

/// The weakest ink, of 255.
const WEAKEST: u8 = 24;

/// A digit's longer side, at least, as a share of the root of the picture's area.
const SMALLEST: f64 = 0.02;

/// Ink fills at most this share of a picture.
const FULLEST: f64 = 0.5;

/// Each threshold is this share of the one before.
const STEP: f64 = 0.84;

/// The edge of a stroke: this share of its strength.
const EDGE: f64 = 0.52;

/// Digits of one picture: none scores less than this share of the best.
const WEAKER: f64 = 0.2;

/// Strokes are at most this thick, as a share of the digit's longer side.
const THICKEST: f64 = 0.42;

/// More parts than this are texture.
const MOST_PARTS: usize = 400;

/// Ink of at most this share of its bounding box is strokes, unless the box is as narrow as that of a 1.
const SOLID: f64 = 0.65;

/// A part is cut by the border if this share of its longer side lies on it.
const CUT: f64 = 0.4;

/// A page on a table takes more than this share of a picture's width or height.
const PAGE: f64 = 0.75;

/// Ink is rarely denser than this.
const DENSE: f64 = 0.5;

/// Digits of one picture: none is smaller than this share of the largest.
const SMALLER: f64 = 0.35;

/// A digit on the analysed picture.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Its bounding box.
    pub(super) bounds: Rectangle,
    /// Its ink, 0 to 255, in its bounding box: 0 outside its strokes.
    pub(super) ink: GrayImage,
    /// The width of its strokes, in pixels.
    pub(super) stroke: f64,
    /// How much it is like a digit, next to the others.
    pub(super) score: f64,
}

/// Parts that belong to one digit.
#[derive(Clone)]
struct Group {
    bounds: Rectangle,
    pixels: Vec<usize>,
    /// The strength of its ink, of 255.
    ink: u8,
    /// Whether the picture's border cuts it, or it is too solid for strokes.
    unlike: bool,
    /// Whether it touches the picture's border.
    border: bool,
    stroke: f64,
    /// Size, strength and likeness to a digit.
    score: f64,
}

impl Group {
    fn doubt(&self) -> bool {
        self.unlike || self.border
    }
}

/// The digits of a calm picture, from the top line to the bottom one and from left to right, with their polarity.
pub(super) fn digits(grey: &GrayImage, wanted: Option<Polarity>) -> Option<(Polarity, Vec<Found>)> {
    let polarities = match wanted {
        Some(Polarity::DarkOnLight) => &[Polarity::DarkOnLight][..],
        Some(Polarity::LightOnDark) => &[Polarity::LightOnDark],
        None => &[Polarity::DarkOnLight, Polarity::LightOnDark],
    };
    let candidates = polarities.iter().filter_map(|&polarity| {
        let strength = strength(grey, polarity);
        let groups = best_level(grey, &strength)?;
        Some((polarity, strength, groups))
    });
    let (polarity, strength, groups) = candidates.max_by(|a, b| a.2[0].score.total_cmp(&b.2[0].score))?;
    let mut found: Vec<Found> = groups.into_iter().map(|group| cut_out(&strength, group)).collect();
    sort_as_read(&mut found);
    Some((polarity, found))
}

/// The groups at the threshold at which the best one scores highest, the best first.
fn best_level(grey: &GrayImage, strength: &GrayImage) -> Option<Vec<Group>> {
    let (width, height) = (strength.width() as usize, strength.height() as usize);
    let least = ((SMALLEST * ((width * height) as f64).sqrt()) as usize).max(4);
    // A few pixels may be brighter than all ink.
    let strongest = quantile(strength.iter().copied(), 1.0 - 12.0 / (width * height).max(13) as f64);
    let mut best: Option<Vec<Group>> = None;
    let mut threshold = 0.8 * f64::from(strongest);
    while threshold >= f64::from(WEAKEST) {
        let least_value = threshold as u8;
        let bits: Vec<bool> = strength.iter().map(|&value| value >= least_value).collect();
        let count = bits.iter().filter(|set| **set).count();
        if count as f64 > FULLEST * (width * height) as f64 {
            break;
        }
        let mut mask = Mask { width, height, bits };
        lines::erase(&mut mask);
        let mut groups = groups(grey, strength, &mask, least, threshold);
        groups.sort_by(|a, b| b.score.total_cmp(&a.score));
        if let Some(first) = groups.first()
            && best.as_ref().is_none_or(|best| first.score > 1.05 * best[0].score)
        {
            let (doubt, score) = (first.doubt(), first.score);
            let least = SMALLER * longer(first.bounds) as f64;
            groups.retain(|group| {
                let like = group.doubt() <= doubt && group.score >= WEAKER * score;
                like && longer(group.bounds) as f64 >= least
            });
            best = Some(groups);
        }
        // Below the edges of sound strokes there is only more noise.
        let sound = |group: &Group| {
            !group.unlike && longer(group.bounds) > 5 * least && threshold < 0.6 * EDGE * f64::from(group.ink)
        };
        if best.as_ref().is_some_and(|groups| sound(&groups[0])) {
            break;
        }
        threshold *= STEP;
    }
    best
}

fn longer(bounds: Rectangle) -> usize {
    bounds.height.max(bounds.width)
}

/// The parts of a mask, those of one digit joined.
fn groups(grey: &GrayImage, strength: &GrayImage, mask: &Mask, least: usize, threshold: f64) -> Vec<Group> {
    let mut groups: Vec<Vec<Component>> = Vec::new();
    let components = mask.components((least / 2).max(2));
    if components.len() > MOST_PARTS {
        return Vec::new(); // Texture or noise.
    }
    for component in components {
        match groups.iter().position(|group| group.iter().any(|part| belongs(part, &component, mask.width))) {
            Some(index) => groups[index].push(component),
            None => groups.push(vec![component]),
        }
    }
    let groups = groups.into_iter().map(|parts| group(grey, strength, mask, parts, threshold));
    groups.filter(|group| longer(group.bounds) >= least).collect()
}

/// Whether a smaller part belongs to the digit of a larger one: the bar of a 5, or a stroke that a gap interrupts.
fn belongs(larger: &Component, smaller: &Component, width: usize) -> bool {
    let (a, b) = (larger.bounds, smaller.bounds);
    let size = longer(a) as f64;
    if (longer(b) as f64) < 0.15 * size {
        return false;
    }
    let gap = |a: (usize, usize), b: (usize, usize)| {
        b.0.saturating_sub(a.0 + a.1).max(a.0.saturating_sub(b.0 + b.1))
    };
    let across = gap((a.left, a.width), (b.left, b.width));
    let along = gap((a.top, a.height), (b.top, b.height));
    if across as f64 > 0.06 * size || along as f64 > 0.2 * size {
        return false;
    }
    let shared =
        |a: (usize, usize), b: (usize, usize)| (a.0 + a.1).min(b.0 + b.1).saturating_sub(a.0.max(b.0)) as f64;
    let above_each_other = shared((a.left, a.width), (b.left, b.width)) > 0.5 * a.width.min(b.width) as f64
        && shared((a.top, a.height), (b.top, b.height)) < 0.3 * b.height as f64;
    if above_each_other {
        return true;
    }
    // A narrow gap between the two.
    larger.is_near(smaller, ((0.04 * size) as usize).max(1), width)
}

fn group(
    grey: &GrayImage,
    strength: &GrayImage,
    mask: &Mask,
    parts: Vec<Component>,
    threshold: f64,
) -> Group {
    let (values, width) = (strength.as_raw(), mask.width);
    let pixels: Vec<usize> = parts.iter().flat_map(|part| part.pixels.iter().copied()).collect();
    let bounds = parts.iter().skip(1).fold(parts[0].bounds, |all, part| around(all, part.bounds));
    let ink = quantile(pixels.iter().map(|&pixel| values[pixel]), 0.7);
    let depths = depths(bounds, &pixels, width);
    let deepest = depths.iter().copied().max().unwrap_or(0);
    let mean = depths.iter().map(|&depth| f64::from(depth)).sum::<f64>() / pixels.len() as f64;
    let on_border = |&&pixel: &&usize| {
        let (x, y) = (pixel % width, pixel / width);
        x == 0 || y == 0 || x + 1 == width || y + 1 == mask.height
    };
    let border = pixels.iter().filter(on_border).count() as f64;
    let size = longer(bounds) as f64;
    let thick = f64::from(2 * deepest) > THICKEST * size;
    let mut score = size * f64::from(ink) * (EDGE * f64::from(ink) / threshold).min(1.0);
    let narrow = 2 * bounds.width.min(bounds.height) < longer(bounds);
    let fill = pixels.len() as f64 / (bounds.width * bounds.height) as f64;
    let solid = !narrow && fill > SOLID;
    let cut = border > CUT * size;
    let unlike = thick || solid || cut;
    let page = bounds.width as f64 > PAGE * width as f64 || bounds.height as f64 > PAGE * mask.height as f64;
    for (doubt, factor) in
        [(border > 0.0, 0.5), (page, 0.5), (!narrow && fill > DENSE, 0.5), (thick || solid, 0.1), (cut, 0.2)]
    {
        score *= if doubt { factor } else { 1.0 };
    }
    let stroke = (4.0 * mean - 3.0).max(1.0);
    score *= real_edges(grey, mask, &pixels, (stroke / 3.0).clamp(2.0, 6.0) as usize).powi(4);
    Group { bounds, pixels, ink, unlike, border: border > 0.0, stroke, score }
}

/// The share of a group's edge at which the picture changes as well, within `near` pixels.
///
/// The ground of the other polarity has steps where a square just fits between ink and a shadow, and the picture has none.
fn real_edges(grey: &GrayImage, mask: &Mask, pixels: &[usize], near: usize) -> f64 {
    let (width, height) = (mask.width, mask.height);
    let values = grey.as_raw();
    // The contrast of the group with what is around it, from the pixels inside and outside its edge.
    let mut changes: Vec<u8> = Vec::new();
    for &pixel in pixels {
        let (x, y) = (pixel % width, pixel / width);
        let inside = x > 0 && y > 0 && x + 1 < width && y + 1 < height;
        if inside && [pixel - 1, pixel + 1, pixel - width, pixel + width].iter().all(|&near| mask.bits[near])
        {
            continue;
        }
        let columns = x.saturating_sub(near)..(x + near + 1).min(width);
        let rows = y.saturating_sub(near)..(y + near + 1).min(height);
        let (least, most) = rows
            .flat_map(|row| &values[row * width..][columns.clone()])
            .fold((u8::MAX, 0), |(least, most), &value| (least.min(value), most.max(value)));
        // Relative to the light, as shadows are.
        changes.push((u32::from(most - least) * 255 / u32::from(most.max(32))) as u8);
    }
    let usual = quantile(changes.iter().copied(), 0.7);
    changes.iter().filter(|&&change| 2 * u32::from(change) >= u32::from(usual)).count() as f64
        / changes.len().max(1) as f64
}

fn around(a: Rectangle, b: Rectangle) -> Rectangle {
    let (top, left) = (a.top.min(b.top), a.left.min(b.left));
    let bottom = (a.top + a.height).max(b.top + b.height);
    let right = (a.left + a.width).max(b.left + b.width);
    Rectangle { top, left, height: bottom - top, width: right - left }
}

/// The ink of a group, with the soft edges of its strokes and without what is near them.
fn cut_out(strength: &GrayImage, group: Group) -> Found {
    let margin = (group.stroke / 3.0).clamp(1.0, 12.0) as usize;
    let (width, height) = (strength.width() as usize, strength.height() as usize);
    let (left, top) = (group.bounds.left.saturating_sub(margin), group.bounds.top.saturating_sub(margin));
    let right = (group.bounds.left + group.bounds.width + margin).min(width);
    let bottom = (group.bounds.top + group.bounds.height + margin).min(height);
    let mut ink = GrayImage::new((right - left) as u32, (bottom - top) as u32);
    let strongest = quantile(group.pixels.iter().map(|&pixel| strength.as_raw()[pixel]), 0.9).max(1);
    let weakest = strongest / 8;
    for &pixel in &group.pixels {
        let (x, y) = (pixel % width, pixel / width);
        for j in y.saturating_sub(margin).max(top)..(y + margin + 1).min(bottom) {
            for i in x.saturating_sub(margin).max(left)..(x + margin + 1).min(right) {
                let to = ink.get_pixel_mut((i - left) as u32, (j - top) as u32);
                if to.0[0] == 0 {
                    let above = u32::from(strength.as_raw()[j * width + i].saturating_sub(weakest));
                    *to = Luma([(above * 255 / u32::from(strongest - weakest)).min(255) as u8]);
                }
            }
        }
    }
    let bounds = Rectangle { top, left, height: bottom - top, width: right - left };
    Found { bounds, ink, stroke: group.stroke, score: group.score }
}

/// Sorts into lines from the top, and each line from the left.
fn sort_as_read(found: &mut Vec<Found>) {
    found.sort_by_key(|digit| 2 * digit.bounds.top + digit.bounds.height);
    let mut lines: Vec<Vec<Found>> = Vec::new();
    for digit in found.drain(..) {
        let middle = 2 * digit.bounds.top + digit.bounds.height;
        match lines.last_mut() {
            Some(line)
                if line.iter().any(|other| {
                    middle < 2 * (other.bounds.top + other.bounds.height) && middle > 2 * other.bounds.top
                }) =>
            {
                line.push(digit);
            }
            _ => lines.push(vec![digit]),
        }
    }
    for mut line in lines {
        line.sort_by_key(|digit| digit.bounds.left);
        found.append(&mut line);
    }
}
