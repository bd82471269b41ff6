//! The parts of a page: its head, tables, pictures; and writing it.

use std::{
    fs::{self, File},
    io::Read,
    path::Path,
};

use anyhow::{Context, Result, bail};
use base64::{Engine, prelude::BASE64_STANDARD};

use crate::{
    cli::output::write_file,
    pictures::{Pixels, escape},
};

/// By this, in a page's head, the program recognises its own pages.
const MARK: &str = "<meta name=\"generator\" content=\"vgg-wgpu ";
/// The head is in the first bytes of a page.
const HEAD: u64 = 1024;

/// A whole page: one file that needs nothing else.
pub(super) fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         {MARK}{}\">\n<title>{title}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{body}</main>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION"),
        include_str!("style.css"),
        title = escape(title),
    )
}

/// A section with its heading.
pub(super) fn section(heading: &str, body: &str) -> String {
    format!("<section>\n<h2>{}</h2>\n{body}</section>\n", escape(heading))
}

/// A note in small print; `text` is HTML.
pub(super) fn note(text: &str) -> String {
    format!("<p class=\"note\">{text}</p>\n")
}

/// Something wider than a phone may be, which scrolls by itself instead of the page.
pub(super) fn scrolling(name: &str, content: &str) -> String {
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">\n{content}</div>\n",
        escape(name)
    )
}

/// A table whose first column has the names of its rows. `strong` says which cells stand out, by row and column.
pub(super) fn table_with(
    name: &str,
    columns: &[&str],
    rows: &[Vec<String>],
    strong: impl Fn(usize, usize) -> bool,
) -> String {
    let heads: String = columns
        .iter()
        .map(|column| match *column {
            "" => "<td></td>".to_owned(),
            column => format!("<th scope=\"col\">{}</th>", escape(column)),
        })
        .collect();
    let mut text = format!("<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n");
    for (row, cells) in rows.iter().enumerate() {
        text += "<tr>";
        for (column, cell) in cells.iter().enumerate() {
            let (tag, more) = match column {
                0 => ("th", " scope=\"row\""),
                _ if strong(row, column) => ("td", " class=\"best\""),
                _ => ("td", ""),
            };
            text += &format!("<{tag}{more}>{}</{tag}>", escape(cell));
        }
        text += "</tr>\n";
    }
    scrolling(name, &(text + "</tbody>\n</table>\n"))
}

/// [`table_with`] without cells that stand out.
pub(super) fn table(name: &str, columns: &[&str], rows: &[Vec<String>]) -> String {
    table_with(name, columns, rows, |_, _| false)
}

/// An image `[height, width, channels]` as an address that contains it.
pub(super) fn data_url(bytes: &[u8], size: [usize; 2], channels: usize) -> String {
    let png = Pixels { bytes, size, channels }.png();
    format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png))
}

/// A name with what the epochs are judged on in place of `test`.
pub(super) fn named(name: &str, judged_on: &str) -> String {
    name.replace("test", judged_on)
}

/// Writes a page. An earlier page of this program is replaced; any other file is refused.
pub(super) fn write_page(path: &Path, html: &str) -> Result<()> {
    if path.is_dir() {
        bail!("{} is a directory; name the file to write with --output FILE", path.display());
    }
    if path.is_file() {
        let mut head = Vec::new();
        File::open(path)
            .and_then(|file| file.take(HEAD).read_to_end(&mut head))
            .with_context(|| format!("cannot read {} to see what would be replaced", path.display()))?;
        if !head.is_empty() && !String::from_utf8_lossy(&head).contains(MARK) {
            bail!(
                "{} exists and is not a page of this version of vgg; choose another path with --output FILE, or delete it",
                path.display()
            );
        }
    }
    write_file(path, html.as_bytes(), "--output FILE")
}

/// The text between two marks of the page at a path; `None` without such a page.
pub(super) fn earlier(path: &Path, [begin, end]: [&str; 2]) -> Option<String> {
    let page = fs::read_to_string(path).ok()?;
    let (_, after) = page.split_once(begin)?;
    Some(after.split_once(end)?.0.to_owned())
}
