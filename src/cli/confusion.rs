//! The confusion matrix as text and as a picture.

use anyhow::{Result, anyhow};
use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::table::{Align, table};

/// Counts `[true class][predicted class]`.
pub(super) type Confusion = [Vec<u64>];

/// With more classes than this the matrix is not readable, and only the most common confusions are listed.
const READABLE: usize = 20;

/// The matrix as text: a row for each true class, a column for each prediction, and the recall of each class.
pub(super) fn render(confusion: &Confusion, names: &[String]) -> String {
    if names.len() > READABLE {
        return worst(confusion, names);
    }
    let recall = |class: usize| {
        let all: u64 = confusion[class].iter().sum();
        if all == 0 {
            "-".into()
        } else {
            format!("{:.2} %", 100.0 * confusion[class][class] as f64 / all as f64)
        }
    };
    let mut columns = vec![("true \\ predicted", Align::Left)];
    columns.extend(names.iter().map(|name| (name.as_str(), Align::Right)));
    columns.push(("recall", Align::Right));
    let rows: Vec<Vec<String>> = names
        .iter()
        .enumerate()
        .map(|(class, name)| {
            let counts =
                confusion[class].iter().map(|&count| if count == 0 { ".".into() } else { count.to_string() });
            std::iter::once(name.clone()).chain(counts).chain([recall(class)]).collect()
        })
        .collect();
    table(&columns, &rows)
}

fn worst(confusion: &Confusion, names: &[String]) -> String {
    let mut pairs = Vec::new();
    for (truth, row) in confusion.iter().enumerate() {
        pairs.extend(
            row.iter().enumerate().filter(|(p, n)| *p != truth && **n > 0).map(|(p, n)| (*n, truth, p)),
        );
    }
    pairs.sort_unstable_by_key(|&(count, truth, predicted)| (std::cmp::Reverse(count), truth, predicted));
    let rows: Vec<Vec<String>> = pairs
        .iter()
        .take(READABLE)
        .map(|&(count, truth, predicted)| {
            vec![names[truth].clone(), names[predicted].clone(), count.to_string()]
        })
        .collect();
    table(&[("true", Align::Left), ("predicted", Align::Left), ("images", Align::Right)], &rows)
}

/// The matrix as an SVG picture. The shade of a cell is its share of the true class, on a scale that shows
/// single mistakes too.
pub(super) fn svg(confusion: &Confusion, names: &[String], title: &str) -> Result<String> {
    let n = names.len() as i32;
    // With too many classes to read counts and names, cells become dots.
    let cell = (640 / n).clamp(if n > 100 { 3 } else { 12 }, 56);
    let (left, top) = (110, 90);
    let side = cell * n;
    let size = ((left + side + 40) as u32, (top + side + 70) as u32);
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        draw(&root, confusion, names, title, (cell, left, top))
            .map_err(|e| anyhow!("confusion matrix: {e}"))?;
        root.present()?;
    }
    Ok(text)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn draw(
    root: &Area<'_>,
    confusion: &Confusion,
    names: &[String],
    title: &str,
    (cell, left, top): (i32, i32, i32),
) -> Result<(), Box<dyn std::error::Error>> {
    root.fill(&WHITE)?;
    let side = cell * names.len() as i32;
    let font = |size: i32| ("sans-serif", size).into_font();
    let centred = |size: i32, color: &'static RGBColor| {
        TextStyle::from(font(size)).color(color).pos(Pos::new(HPos::Center, VPos::Center))
    };
    let middle = left + side / 2;
    root.draw(&Text::new(title.to_owned(), (middle, 24), centred(20, &BLACK)))?;
    root.draw(&Text::new("predicted class", (middle, top + side + 44), centred(15, &BLACK)))?;
    let upright = centred(15, &BLACK).transform(FontTransform::Rotate270);
    root.draw(&Text::new("true class", (28, top + side / 2), upright))?;
    let label = (cell * 2 / 5).clamp(8, 16);
    let readable = cell >= 8;
    for (truth, row) in confusion.iter().enumerate() {
        let y = top + truth as i32 * cell;
        let total: u64 = row.iter().sum();
        if readable {
            let right = TextStyle::from(font(label)).pos(Pos::new(HPos::Right, VPos::Center));
            root.draw(&Text::new(names[truth].clone(), (left - 8, y + cell / 2), right))?;
            let below = (left + truth as i32 * cell + cell / 2, top + side + 16);
            root.draw(&Text::new(names[truth].clone(), below, centred(label, &BLACK)))?;
        }
        for (predicted, &count) in row.iter().enumerate().filter(|(_, count)| readable || **count > 0) {
            let x = left + predicted as i32 * cell;
            let share = count as f64 / total.max(1) as f64;
            let (fill, ink) = shade(share, truth == predicted);
            root.draw(&Rectangle::new([(x, y), (x + cell, y + cell)], fill.filled()))?;
            root.draw(&Rectangle::new([(x, y), (x + cell, y + cell)], RGBColor(225, 225, 225)))?;
            if count > 0 && cell >= 20 {
                let text = count.to_string();
                root.draw(&Text::new(text, (x + cell / 2, y + cell / 2), centred(label, ink)))?;
            }
        }
    }
    Ok(())
}

/// Blue on the diagonal, red elsewhere; the fourth root makes one mistake in a thousand visible.
fn shade(share: f64, correct: bool) -> (RGBColor, &'static RGBColor) {
    let depth = if correct { share } else { share.sqrt().sqrt() * 0.8 };
    let deep = if correct { (31.0, 78.0, 140.0) } else { (190.0, 40.0, 40.0) };
    let mix = |channel: f64| (255.0 + (channel - 255.0) * depth).round() as u8;
    (RGBColor(mix(deep.0), mix(deep.1), mix(deep.2)), if depth > 0.5 { &WHITE } else { &BLACK })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|i| format!("c{i}")).collect()
    }

    #[test]
    fn text_shows_counts_and_recall() {
        let text = render(&[vec![3, 1], vec![0, 0]], &names(2));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[2].split_whitespace().collect::<Vec<_>>(), ["c0", "3", "1", "75.00", "%"]);
        assert_eq!(lines[3].split_whitespace().collect::<Vec<_>>(), ["c1", ".", ".", "-"]);
        let mut many = vec![vec![0; 30]; 30];
        many[4][7] = 2;
        assert!(render(&many, &names(30)).contains("c4    c7"));
    }

    #[test]
    fn the_picture_is_svg_with_every_count() {
        let svg = svg(&[vec![981, 2], vec![7, 1010]], &names(2), "test").unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        for count in ["981", "2", "7", "1010"] {
            assert!(svg.contains(&format!("\n{count}\n")), "{count} is missing");
        }
    }
}
