//! The picture of `vgg compare FILE...`: what each file costs and how right it is.

use plotters::{prelude::*, style::text_anchor::HPos};

use super::theme::{
    self, Area, BLUE, Drawn, GREEN, GREY, LABEL, ORANGE, TITLE, chart, mesh, place, style, text,
};

/// A file of weights.
#[derive(Clone, Debug)]
pub struct FileBar {
    /// Its name.
    pub name: String,
    /// Wrong answers in percent.
    pub errors: f64,
    /// Its size in KiB.
    pub kibibytes: f64,
    /// Images classified in a second.
    pub images_a_second: f64,
}

/// Draws three panels side by side, each with a bar for every file.
pub fn files_svg(title: &str, files: &[FileBar]) -> String {
    let height = 130 + 44 * files.len() as u32;
    theme::picture((1280, height), |root| {
        let below = root.titled(title, style(TITLE, &BLACK))?;
        let (left, rest) = below.split_horizontally(560);
        let (middle, right) = rest.split_horizontally(360);
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        let values = |of: fn(&FileBar) -> f64| files.iter().map(of).collect::<Vec<_>>();
        bars(&left, "Wrong answers, %", Some(&names), &values(|file| file.errors), 2, ORANGE)?;
        bars(&middle, "Size, KiB", None, &values(|file| file.kibibytes), 0, GREEN)?;
        bars(&right, "Images/s", None, &values(|file| file.images_a_second), 0, BLUE)
    })
}

/// A bar for each value, with the value at its end in so many digits; names at the left of the first panel.
fn bars(
    area: &Area<'_>,
    caption: &str,
    names: Option<&[&str]>,
    values: &[f64],
    digits: usize,
    color: RGBColor,
) -> Drawn {
    let longest = values.iter().copied().fold(0.0, f64::max);
    // Room for the number after the longest bar.
    let (x, y) = (0.0..(1.35 * longest).max(1e-6), 0.0..values.len().max(1) as f64);
    let mut chart = chart(area, caption, if names.is_some() { 230 } else { 20 }, x, y)?;
    mesh(&mut chart)
        .disable_y_mesh()
        .y_labels(0)
        .x_labels(4)
        .x_label_formatter(&|value| format!("{}", (value * 1e3).round() / 1e3))
        .draw()?;
    for (index, &value) in values.iter().enumerate() {
        let y = (values.len() - index) as f64;
        chart.draw_series([Rectangle::new([(0.0, y - 0.2), (value, y - 0.8)], color.mix(0.7).filled())])?;
        let at = place(area, &chart, (value, y - 0.5));
        text(area, &format!("{value:.digits$}"), (at.0 + 6, at.1), HPos::Left, style(LABEL, &BLACK))?;
        if let Some(names) = names {
            let at = place(area, &chart, (0.0, y - 0.5));
            text(area, names[index], (at.0 - 8, at.1), HPos::Right, style(LABEL, &GREY))?;
        }
    }
    Ok(())
}
