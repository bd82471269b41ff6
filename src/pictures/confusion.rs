//! The picture of a confusion matrix: a file of its own, part of a page, or pixels.

use std::fmt::Write;

use image::{Rgb, RgbImage};

use super::{
    chart::escape,
    lettering::{LINE, cut, width as width_of, write},
};

/// The width of a character of a name.
const CHARACTER: usize = 7;
/// Names longer than this are cut.
const LONGEST: usize = 14;

/// The style of a picture in a file of its own; in a page, the page's.
const STYLE: &str = "<style>\
svg{font:12px system-ui,sans-serif;--paper:#fff;--ink:#1c1f24;--soft:#565c66;--right:#0066b2;--wrong:#c8500a;background:var(--paper)}\
@media(prefers-color-scheme:dark){svg{--paper:#14161a;--ink:#e8eaed;--soft:#a9b0ba;--right:#2f7fc1;--wrong:#d9682a}}\
text{fill:var(--soft)}.title{font-size:14px;fill:var(--ink)}.middle{text-anchor:middle}.end{text-anchor:end}\
.count{fill:var(--ink)}.deep{fill:#fff}.right{fill:var(--right)}.wrong{fill:var(--wrong)}.frame{fill:none;stroke:var(--soft);stroke-opacity:.4}\
</style>\n";

/// The counts `[true class][predicted class]` as a file. The shade of a cell is its share of the true class, on a scale that
/// shows single mistakes too.
pub fn confusion_svg(title: &str, confusion: &[Vec<u64>], names: &[String]) -> String {
    let matrix = Matrix::new(confusion, names);
    let [width, height] = [matrix.width().max(14 + 8 * title.chars().count()), matrix.height() + 34];
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" viewBox=\"0 0 {width} {height}\">\n{STYLE}\
         <text class=\"title\" x=\"8\" y=\"22\">{}</text>\n<g transform=\"translate(0 34)\">\n{}</g>\n</svg>\n",
        3 * width / 2,
        3 * height / 2,
        escape(title),
        matrix.draw()
    )
}

/// The same as part of a page, whose style sheet has the classes. Its size is in pixels of a phone.
pub fn confusion_figure(title: &str, confusion: &[Vec<u64>], names: &[String]) -> String {
    let matrix = Matrix::new(confusion, names);
    let [width, height] = [matrix.width(), matrix.height()];
    format!(
        "<svg class=\"matrix\" style=\"min-width:{width}px;max-width:{}px\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">\n{}</svg>\n",
        3 * width / 2,
        escape(title),
        matrix.draw()
    )
}

/// The same in pixels, `[H, W, 3]`, with height and width; up to 20 classes have names and counts.
pub fn confusion_pixels(confusion: &[Vec<u64>], names: &[String]) -> (Vec<u8>, [usize; 2]) {
    const INK: u8 = 0x1c;
    const WIDEST: u32 = 120;
    let classes = names.len() as u32;
    let (cell, gap) = match classes {
        0..=20 => (40, 1),
        21..=100 => (8, 1),
        _ => (2, 0),
    };
    let named = cell > LINE;
    let names: Vec<String> = names.iter().map(|name| cut(name, WIDEST)).collect();
    let left = if named { 8 + names.iter().map(|name| width_of(name)).max().unwrap_or(0) } else { 0 };
    let mut picture = RgbImage::from_pixel(left + cell * classes, cell * classes, Rgb([255; 3]));
    for (truth, row) in confusion.iter().enumerate() {
        let (top, total) = (truth as u32 * cell, row.iter().sum::<u64>());
        let base = top + cell.saturating_sub(LINE) / 2;
        if named {
            write(&mut picture, &names[truth], [0, base], INK);
        }
        for (predicted, &count) in row.iter().enumerate().filter(|(_, count)| **count > 0) {
            let x = left + predicted as u32 * cell;
            let (class, depth) = shade(count as f64 / total as f64, truth == predicted);
            let color = if class == "right" { [0, 0x66, 0xb2] } else { [0xc8, 0x50, 0x0a] };
            let color = Rgb(color.map(|c| (255.0 + (f64::from(c) - 255.0) * depth).round() as u8));
            for (dx, dy) in (gap..cell).flat_map(|dy| (gap..cell).map(move |dx| (dx, dy))) {
                picture.put_pixel(x + dx, top + dy, color);
            }
            let digits = count.to_string();
            if named && width_of(&digits) <= cell {
                let ink = if depth > 0.6 { 255 } else { INK };
                write(&mut picture, &digits, [x + (cell - width_of(&digits)) / 2, base], ink);
            }
        }
    }
    let size = [picture.height() as usize, picture.width() as usize];
    (picture.into_raw(), size)
}

struct Matrix<'a> {
    confusion: &'a [Vec<u64>],
    names: Vec<String>,
    cell: usize,
}

impl<'a> Matrix<'a> {
    fn new(confusion: &'a [Vec<u64>], names: &[String]) -> Self {
        let cell = match names.len() {
            0..=10 => 30,
            11..=20 => 24,
            21..=100 => 14,
            // Too many classes to read their names: cells are dots.
            _ => 4,
        };
        let cut = |name: &String| match name.chars().count() > LONGEST {
            true => name.chars().take(LONGEST - 1).collect::<String>() + "…",
            false => name.clone(),
        };
        Self { confusion, names: names.iter().map(cut).collect(), cell }
    }

    fn named(&self) -> bool {
        self.cell >= 12
    }

    /// Room for the names of classes.
    fn names(&self) -> usize {
        let longest = self.names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        if self.named() { CHARACTER * longest + 8 } else { 4 }
    }

    fn left(&self) -> usize {
        18 + self.names()
    }

    fn side(&self) -> usize {
        self.cell * self.names.len()
    }

    /// Whether the names under the matrix stand upright.
    fn upright(&self) -> bool {
        self.named() && self.names() > self.cell + 6
    }

    fn width(&self) -> usize {
        (self.left() + self.side() + 4).max(170)
    }

    fn height(&self) -> usize {
        let names = if self.upright() { self.names() } else { 18 };
        4 + self.side() + names + 22
    }

    fn draw(&self) -> String {
        let (cell, left, side, top) = (self.cell, self.left(), self.side(), 4);
        let mut svg = String::new();
        for (truth, row) in self.confusion.iter().enumerate() {
            let (y, total) = (top + truth * cell, row.iter().sum::<u64>());
            let name = escape(&self.names[truth]);
            if self.named() {
                let (middle, base) = (left + truth * cell + cell / 2, top + side);
                let _ = write!(
                    svg,
                    "<text class=\"end\" x=\"{}\" y=\"{}\">{name}</text>",
                    left - 6,
                    y + cell / 2 + 4
                );
                let _ = match self.upright() {
                    true => writeln!(
                        svg,
                        "<text class=\"end\" transform=\"translate({} {}) rotate(-90)\">{name}</text>",
                        middle + 4,
                        base + 6
                    ),
                    false => writeln!(
                        svg,
                        "<text class=\"middle\" x=\"{middle}\" y=\"{}\">{name}</text>",
                        base + 16
                    ),
                };
            }
            for (predicted, &count) in row.iter().enumerate().filter(|(_, count)| **count > 0) {
                let x = left + predicted * cell;
                let (class, depth) = shade(count as f64 / total.max(1) as f64, truth == predicted);
                let answer = escape(&self.names[predicted]);
                let _ = write!(
                    svg,
                    "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{cell}\" height=\"{cell}\" fill-opacity=\"{depth:.3}\"><title>{name}, predicted as {answer}: {count}</title></rect>"
                );
                let digits = count.to_string();
                if cell >= 20 && CHARACTER * digits.len() <= cell {
                    let deep = if depth > 0.6 { "deep" } else { "count" };
                    let _ = write!(
                        svg,
                        "<text class=\"{deep} middle\" x=\"{}\" y=\"{}\">{digits}</text>",
                        x + cell / 2,
                        y + cell / 2 + 4
                    );
                }
            }
            svg.push('\n');
        }
        let _ = write!(
            svg,
            "<rect class=\"frame\" x=\"{left}\" y=\"{top}\" width=\"{side}\" height=\"{side}\"/>\n\
             <text class=\"middle\" transform=\"translate(12 {}) rotate(-90)\">true class</text>\n\
             <text class=\"middle\" x=\"{}\" y=\"{}\">predicted class</text>\n",
            (top + side / 2).max(30),
            (left + side / 2).max(50),
            self.height() - 6
        );
        svg
    }
}

/// The class of a cell and its opacity; the fourth root makes one mistake in a thousand visible.
fn shade(share: f64, correct: bool) -> (&'static str, f64) {
    if correct { ("right", share) } else { ("wrong", share.sqrt().sqrt() * 0.8) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_is_svg_with_every_count() {
        let names = ["c0", "<c1>"].map(str::to_owned);
        let counts = [vec![981, 2], vec![7, 1010]];
        for svg in [confusion_svg("test", &counts, &names), confusion_figure("test", &counts, &names)] {
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
            for count in ["981", "2", "7", "1010"] {
                assert!(svg.contains(&format!(">{count}</text>")), "{count} is missing: {svg}");
            }
            assert!(svg.contains("c0, predicted as &lt;c1&gt;: 2"), "{svg}");
        }
        assert!(confusion_svg("test", &counts, &names).contains("prefers-color-scheme:dark"));
    }

    /// A class that is always right, and one that is always wrong: full and 80 % of the colour.
    #[test]
    fn pixels_have_the_colours_of_the_file() {
        let names = vec![String::new(); 3];
        let (bytes, [height, width]) =
            confusion_pixels(&[vec![5, 0, 0], vec![0, 0, 70], vec![0, 0, 0]], &names);
        assert_eq!((height, width), (120, 128));
        let cell =
            |row: usize, column: usize| &bytes[3 * ((40 * row + 2) * width + 8 + 40 * column + 2)..][..3];
        assert_eq!((cell(0, 0), cell(1, 2)), (&[0, 0x66, 0xb2][..], &[211, 115, 59][..]));
        assert_eq!((cell(0, 1), cell(1, 1), cell(2, 2)), (&[255; 3][..], &[255; 3][..], &[255; 3][..]));
    }

    #[test]
    fn any_number_of_classes_draws() {
        for count in [0, 1, 2, 11, 21, 100, 101, 1000] {
            let names: Vec<String> = (0..count).map(|i| format!("a rather long class name {i}")).collect();
            let confusion: Vec<Vec<u64>> =
                (0..count).map(|i| (0..count).map(|j| u64::from(i == j) * 12_345).collect()).collect();
            let svg = confusion_svg("classes", &confusion, &names);
            assert_eq!(svg.matches("<rect class=\"right\"").count(), count);
            let (bytes, [height, width]) = confusion_pixels(&confusion, &names);
            assert!(bytes.len() == 3 * height * width && width >= height && height >= count, "{count}");
        }
    }
}
