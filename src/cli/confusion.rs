//! The confusion matrix as text.

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
}
