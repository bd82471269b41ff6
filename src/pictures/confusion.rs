//! The picture of a confusion matrix.

use plotters::{prelude::*, style::text_anchor::HPos};

use super::theme::{self, Area, BLUE, Drawn, GREY, LABEL, RED, TITLE, grid, style, text};

/// Where the matrix begins.
const LEFT: i32 = 110;
const TOP: i32 = 90;

/// The counts `[true class][predicted class]`. The shade of a cell is its share of the true class, on a scale that shows
/// single mistakes too.
pub fn confusion_svg(title: &str, confusion: &[Vec<u64>], names: &[String]) -> String {
    let n = names.len() as i32;
    // With too many classes to read counts and names, cells become dots.
    let cell = (640 / n).clamp(if n > 100 { 3 } else { 12 }, 56);
    let size = ((LEFT + cell * n + 40) as u32, (TOP + cell * n + 70) as u32);
    theme::picture(size, |root| draw(root, title, confusion, names, cell))
}

fn draw(root: &Area<'_>, title: &str, confusion: &[Vec<u64>], names: &[String], cell: i32) -> Drawn {
    let side = cell * names.len() as i32;
    let desc = || style(LABEL, &GREY);
    text(root, title, (LEFT + side / 2, 24), HPos::Center, style(TITLE, &BLACK))?;
    text(root, "predicted class", (LEFT + side / 2, TOP + side + 44), HPos::Center, desc())?;
    let upright = desc().transform(FontTransform::Rotate270);
    text(root, "true class", (28, TOP + side / 2), HPos::Center, upright)?;
    let label = (cell * 2 / 5).clamp(8, 16);
    let readable = cell >= 8;
    for (truth, row) in confusion.iter().enumerate() {
        let y = TOP + truth as i32 * cell;
        let total: u64 = row.iter().sum();
        if readable {
            let below = (LEFT + truth as i32 * cell + cell / 2, TOP + side + 16);
            text(root, &names[truth], (LEFT - 8, y + cell / 2), HPos::Right, style(label, &GREY))?;
            text(root, &names[truth], below, HPos::Center, style(label, &GREY))?;
        }
        for (predicted, &count) in row.iter().enumerate().filter(|(_, count)| readable || **count > 0) {
            let x = LEFT + predicted as i32 * cell;
            let share = count as f64 / total.max(1) as f64;
            let (fill, ink) = shade(share, truth == predicted);
            root.draw(&Rectangle::new([(x, y), (x + cell, y + cell)], fill.filled()))?;
            root.draw(&Rectangle::new([(x, y), (x + cell, y + cell)], grid()))?;
            if count > 0 && cell >= 20 {
                let at = (x + cell / 2, y + cell / 2);
                text(root, &count.to_string(), at, HPos::Center, style(label, ink))?;
            }
        }
    }
    Ok(())
}

/// Blue on the diagonal, red elsewhere; the fourth root makes one mistake in a thousand visible.
fn shade(share: f64, correct: bool) -> (RGBColor, &'static RGBColor) {
    let (depth, deep) = if correct { (share, BLUE) } else { (share.sqrt().sqrt() * 0.8, RED) };
    let mix = |channel: u8| (255.0 + (f64::from(channel) - 255.0) * depth).round() as u8;
    (RGBColor(mix(deep.0), mix(deep.1), mix(deep.2)), if depth > 0.5 { &WHITE } else { &BLACK })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_is_svg_with_every_count() {
        let names = ["c0", "c1"].map(str::to_owned);
        let svg = confusion_svg("test", &[vec![981, 2], vec![7, 1010]], &names);
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        for count in ["981", "2", "7", "1010"] {
            assert!(svg.contains(&format!("\n{count}\n")), "{count} is missing");
        }
    }
}
