//! Digits to draw: MNIST's, enlarged, and two hands of strokes.

/// A digit one unit high, its centre at (0, 0).
pub enum Glyph {
    /// An image of 28 x 28 pixels.
    Image(Vec<u8>),
    /// Lines through points.
    Strokes(Vec<Vec<[f32; 2]>>),
}

impl Glyph {
    /// A digit of an image; its ink is one unit high.
    pub fn of_image(pixels: Vec<u8>) -> Self {
        Self::Image(pixels)
    }

    /// A digit of the first hand (0) or the second (1), each point moved by `wobble(index)`.
    pub fn of_strokes(hand: usize, digit: usize, wobble: impl FnMut() -> [f32; 2]) -> Self {
        Self::of_text(HANDS[hand][digit], wobble)
    }

    /// Strokes separated by slashes, as in [`HANDS`].
    pub fn of_text(text: &str, mut wobble: impl FnMut() -> [f32; 2]) -> Self {
        let mut strokes = text.split('/').map(stroke).collect::<Vec<_>>();
        strokes.iter_mut().flatten().for_each(|point| {
            let [dx, dy] = wobble();
            *point = [point[0] + dx, point[1] + dy];
        });
        Self::Strokes(strokes.iter().map(|points| smooth(points)).collect())
    }

    /// The share of a pixel of side `1 / scale` that is ink.
    pub fn coverage(&self, [x, y]: [f32; 2], pen: f32, scale: f32) -> f32 {
        match self {
            Self::Image(pixels) => {
                // The ink is 20 of 28 pixels high; enlarged, its edges are as sharp as a pen's.
                let [u, v] = [x * 20.0 + 14.0, y * 20.0 + 14.0];
                if !(0.0..27.0).contains(&u) || !(0.0..27.0).contains(&v) {
                    return 0.0;
                }
                let (i, j) = (u as usize, v as usize);
                let at = |i: usize, j: usize| f32::from(pixels[j * 28 + i]);
                let (s, t) = (u.fract(), v.fract());
                let above = at(i, j) * (1.0 - s) + at(i + 1, j) * s;
                let below = at(i, j + 1) * (1.0 - s) + at(i + 1, j + 1) * s;
                let value = (above * (1.0 - t) + below * t) / 255.0;
                ((value - 0.45) * 4.0 + 0.5).clamp(0.0, 1.0)
            }
            Self::Strokes(strokes) => {
                let segments = strokes.iter().flat_map(|points| points.windows(2));
                let nearest =
                    segments.map(|ends| distance([x, y], ends[0], ends[1])).fold(f32::MAX, f32::min);
                ((pen / 2.0 - nearest) * scale + 0.5).clamp(0.0, 1.0)
            }
        }
    }
}

/// Points as `x y` in hundredths of the height, separated by commas.
fn stroke(text: &str) -> Vec<[f32; 2]> {
    let point = |pair: &str| {
        let mut values = pair.split_whitespace().map(|value| value.parse::<f32>().unwrap() / 100.0);
        [values.next().unwrap(), values.next().unwrap()]
    };
    text.split(',').map(point).collect()
}

/// A Catmull-Rom spline through the points; a point given twice is a corner.
fn smooth(points: &[[f32; 2]]) -> Vec<[f32; 2]> {
    let mut curve = Vec::new();
    for i in 0..points.len() - 1 {
        let at = |j: isize| points[(i as isize + j).clamp(0, points.len() as isize - 1) as usize];
        let [a, b, c, d] = [at(-1), at(0), at(1), at(2)];
        for step in 0..6 {
            let t = step as f32 / 6.0;
            curve.push([0, 1].map(|k| {
                0.5 * (2.0 * b[k]
                    + (c[k] - a[k]) * t
                    + (2.0 * a[k] - 5.0 * b[k] + 4.0 * c[k] - d[k]) * t * t
                    + (3.0 * b[k] - a[k] - 3.0 * c[k] + d[k]) * t * t * t)
            }));
        }
    }
    curve.push(points[points.len() - 1]);
    curve
}

fn distance([x, y]: [f32; 2], a: [f32; 2], b: [f32; 2]) -> f32 {
    let [dx, dy] = [b[0] - a[0], b[1] - a[1]];
    let length = dx * dx + dy * dy;
    let t = if length > 0.0 { (((x - a[0]) * dx + (y - a[1]) * dy) / length).clamp(0.0, 1.0) } else { 0.0 };
    (x - a[0] - t * dx).hypot(y - a[1] - t * dy)
}

/// Strokes by hand and digit.
const HANDS: [[&str; 10]; 2] = [
    [
        "5 -46,-18 -32,-27 0,-18 34,2 46,22 32,28 0,20 -34,5 -46",
        "2 -46,0 0,-2 46",
        "-24 -28,-10 -44,10 -45,22 -30,12 -6,-8 20,-28 42,-28 42,0 40,30 42",
        "-24 -38,0 -46,20 -36,16 -14,-4 -4,-4 -4,18 6,24 26,8 44,-14 44,-28 34",
        "8 -46,-10 -20,-30 12,-30 12,0 13,32 10/16 -18,14 14,12 46",
        "24 -45,-16 -44,-16 -44,-20 -8,-20 -8,4 -12,22 4,20 30,0 45,-26 38",
        "16 -45,-8 -24,-24 10,-20 36,0 46,20 34,20 12,2 4,-16 14,-22 26",
        "-28 -42,0 -43,28 -44,28 -44,10 -6,-6 46",
        "18 -34,2 -46,-18 -36,-12 -14,10 4,22 24,6 45,-18 38,-20 18,-4 2,14 -16,18 -34",
        "20 -30,4 -45,-18 -34,-18 -12,0 -2,18 -16,20 -32,20 -32,18 4,12 46",
    ],
    [
        "-4 -46,-24 -30,-30 4,-16 38,8 45,26 26,28 -10,14 -40,-8 -45",
        "-14 -28,6 -46,6 -46,4 0,2 46",
        "-28 -22,-20 -42,8 -46,24 -28,14 -4,-12 22,-30 40,-20 34,-4 38,14 46,32 38",
        "-26 -44,0 -45,22 -44,22 -44,-2 -12,-2 -12,18 -6,26 16,12 42,-12 46,-28 36",
        "-20 -44,-24 -16,-22 4,-4 8,26 4/24 -44,20 -10,16 46",
        "-18 -45,-18 -45,-22 -6,-22 -6,2 -14,24 -2,24 26,4 46,-24 40/-18 -45,4 -43,26 -46",
        "24 -44,0 -34,-18 -8,-22 22,-8 44,14 42,24 22,12 4,-8 6,-21 22",
        "-28 -36,-28 -44,-28 -44,0 -42,28 -45,28 -45,14 -18,4 14,0 46/-8 0,8 0,24 -2",
        "2 -46,-20 -36,-18 -14,2 -2,20 16,16 38,0 46,-18 36,-20 16,-2 0,18 -18,18 -36,2 -46",
        "22 -28,8 -44,-14 -40,-22 -20,-8 -4,14 -10,22 -28,22 -28,24 0,16 32,-2 46,-20 40",
    ],
];
