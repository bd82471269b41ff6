//! A WGSL file and its header: the names that it needs, and the names that it defines (`gives`).

use std::borrow::Cow;

/// A WGSL file of `shaders/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fragment {
    /// The path within `shaders/`, as `activation/forward.wgsl`.
    pub path: &'static str,
    /// The text of the file.
    pub text: &'static str,
    /// The operand that it is specialised for, or empty: see [`Fragment::of`].
    operand: &'static str,
}

impl Fragment {
    /// A text that is not a file of `shaders/`.
    pub const fn inline(text: &'static str) -> Self {
        Self::file("(inline)", text)
    }

    /// A file of this path and text.
    pub const fn file(path: &'static str, text: &'static str) -> Self {
        Self { path, text, operand: "" }
    }

    /// This file specialised for an operand: every name in its header is prefixed with the operand's name, so that `elem` becomes
    /// `grad_elem` and `SLOPE` becomes `GRAD_SLOPE`, and a kernel can have it once for each of several operands.
    pub const fn of(self, operand: &'static str) -> Self {
        Self { operand, ..self }
    }

    /// The text as a kernel has it.
    pub fn code(&self) -> Cow<'static, str> {
        if self.operand.is_empty() {
            return self.text.into();
        }
        let names = names(self.text);
        let (mut code, mut rest) = (String::new(), self.text);
        let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        while let Some(begin) = rest.find(in_name) {
            let end = rest[begin..].find(|c| !in_name(c)).map_or(rest.len(), |len| begin + len);
            let word = &rest[begin..end];
            code += &rest[..begin];
            if names.contains(&word) {
                let upper = word.starts_with(|c: char| c.is_ascii_uppercase());
                code += &if upper { self.operand.to_uppercase() } else { self.operand.to_owned() };
                code.push('_');
            }
            code += word;
            rest = &rest[end..];
        }
        (code + rest).into()
    }

    /// As errors name it: `shaders/activation/forward.wgsl`.
    pub(super) fn name(&self) -> String {
        if self.path.starts_with('(') { self.path.to_owned() } else { format!("shaders/{}", self.path) }
    }
}

/// The [`Fragment`] of a path within `shaders/`.
macro_rules! fragment {
    ($path:literal) => {
        $crate::shader::Fragment::file(
            $path,
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $path)),
        )
    };
}
pub(crate) use fragment;

/// The names after a key of a header, or `None` if the header lacks the key. A header is the block of comments at the start of
/// a text; `// needs: a, b` lists names, `// gives: f(x: u32) -> f32` declares a function, and both keys may be repeated.
pub fn header<'a>(text: &'a str, key: &str) -> Option<Vec<&'a str>> {
    let comments = text.lines().map_while(|line| line.strip_prefix("//"));
    let lists = comments.filter_map(|line| line.strip_prefix(' ')?.strip_prefix(key)?.strip_prefix(": "));
    let items =
        lists.flat_map(|list| if list.contains('(') { vec![list] } else { list.split(", ").collect() });
    let items: Vec<&str> = items.collect();
    (!items.is_empty()).then(|| items.into_iter().filter(|item| *item != "nothing").collect())
}

/// All names of a header.
fn names(text: &str) -> Vec<&str> {
    ["needs", "gives"].into_iter().flat_map(|key| header(text, key).unwrap_or_default()).map(name).collect()
}

/// `read` of `read(index: u32) -> elem`.
pub(super) fn name(item: &str) -> &str {
    item.split('(').next().unwrap_or(item)
}
