//! Plain text tables, and readable numbers.

pub(super) use crate::device::bytes;

/// The alignment of a column's cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// Lays out rows in columns as wide as their widest cell, under a ruled header.
pub(super) fn table(columns: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    let width = |index: usize| {
        let cells = rows.iter().map(|row| row[index].chars().count());
        cells.chain([columns[index].0.chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(columns).zip(&widths).map(|((cell, (_, align)), &width)| match align {
            Align::Left => format!("{cell:<width$}"),
            Align::Right => format!("{cell:>width$}"),
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let header: Vec<String> = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
    let rule = "-".repeat(widths.iter().sum::<usize>() + 2 * (columns.len() - 1)) + "\n";
    let body: String = rows.iter().map(|row| line(row)).collect();
    line(&header) + &rule + &body
}

/// An integer with thousands separators: `134,308,810`.
pub(super) fn thousands(value: usize) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Floating-point operations in a readable unit: `30.8 G`.
pub(super) fn flops(value: u64) -> String {
    match value as f64 {
        v if v >= 1e12 => format!("{:.2} T", v / 1e12),
        v if v >= 1e9 => format!("{:.2} G", v / 1e9),
        v if v >= 1e6 => format!("{:.2} M", v / 1e6),
        v if v >= 1e3 => format!("{:.2} k", v / 1e3),
        _ => value.to_string(),
    }
}

/// A fraction in percent: `99.36 %`.
pub(super) fn percent(fraction: f64) -> String {
    if fraction.is_finite() { format!("{:.2} %", 100.0 * fraction) } else { "-".into() }
}

/// A duration in seconds as `1 h 02 min`, `3 min 41 s` or `12.3 s`.
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// The mean, and the standard deviation of a sample (with n - 1 in the denominator).
pub(super) fn mean_and_deviation(values: impl ExactSizeIterator<Item = f64> + Clone) -> [f64; 2] {
    let count = values.len() as f64;
    let mean = values.clone().sum::<f64>() / count;
    let squares: f64 = values.map(|value| (value - mean).powi(2)).sum();
    [mean, (squares / (count - 1.0)).sqrt()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deviation_is_a_samples() {
        assert_eq!(mean_and_deviation([2.0, 4.0, 4.0, 6.0].into_iter()), [4.0, (8.0f64 / 3.0).sqrt()]);
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(thousands(134_308_810), "134,308,810");
        assert_eq!(thousands(12), "12");
        assert_eq!(bytes(392 << 20), "392.0 MiB");
        assert_eq!(bytes(7), "7 B");
        assert_eq!(flops(30_816_000_000), "30.82 G");
        assert_eq!(duration(59.44), "59.4 s");
        assert_eq!(duration(59.96), "1 min 00 s");
        assert_eq!(duration(221.0), "3 min 41 s");
        assert_eq!(duration(3720.0), "1 h 02 min");
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["conv1_1".into(), "640".into()], vec!["fc".into(), "12345".into()]];
        let text = table(&[("layer", Align::Left), ("count", Align::Right)], &rows);
        assert_eq!(text, "layer    count\n--------------\nconv1_1    640\nfc       12345\n");
    }
}
