//! Circles among the files of `src/`: a file points to each file that defines something it names. A name that a `mod.rs` reexports leads
//! to the file that defines it, so `mod` and `pub use` alone point nowhere. Tests are ignored.

use std::collections::{BTreeMap, BTreeSet};

use crate::{code, root, sources};

/// The remaining circles, by one of their files, and the most files that they may have.
const STAY: &[(&str, usize)] = &[
    // The list of operations has each operation, which is declared with the list's types.
    ("ops", usize::MAX),
    // The parts of the lowering are methods of one type.
    ("program::lower", 4),
    // A setting reads the configuration, whose fields are made from the settings.
    ("train::config::table", 2),
    // A scalar type names its products and vectors, which are generic over it.
    ("cpu::scalar", 4),
];

type Names = Vec<String>;
type Modules = BTreeMap<Names, Module>;

/// The paths that the imported names of a file stand for, and the paths in its code.
#[derive(Default)]
struct Module {
    imported: BTreeMap<String, Names>,
    paths: Vec<Names>,
}

fn names(path: &str) -> Names {
    path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// `a::{b, c::{d, e}}` is `a::b`, `a::c::d`, `a::c::e`.
fn branches(tree: &str) -> Vec<String> {
    let (mut found, mut stems, mut path) = (Vec::new(), vec![String::new()], String::new());
    for c in tree.chars().filter(|c| !c.is_whitespace()).chain([',']) {
        match c {
            '{' => stems.push(path.clone()),
            ',' | '}' => {
                found.push(path);
                stems.truncate(stems.len() - usize::from(c == '}'));
                path = stems.last().cloned().unwrap_or_default();
            }
            c => path.push(c),
        }
    }
    found.into_iter().filter(|path| !path.is_empty() && !path.ends_with(':')).collect()
}

fn module(text: &str) -> Module {
    let code = code(text.split("\nmod tests {").next().unwrap_or_default());
    let (mut module, mut plain, mut passed_on) = (Module::default(), String::new(), Vec::new());
    for (index, part) in code.replace("mod ", "mod::").split("use ").enumerate() {
        let (tree, after) = if index == 0 { ("", part) } else { part.split_once(';').unwrap_or(("", part)) };
        let public = plain.ends_with("pub ") || plain.ends_with(") ");
        for branch in branches(&tree.replace(" as ", "=")) {
            let path = names(branch.split('=').next().unwrap_or_default().trim_end_matches("::self"));
            let name =
                branch.split_once('=').map_or(path[path.len() - 1].clone(), |(_, alias)| alias.to_owned());
            module.imported.insert(name.clone(), path.clone());
            if public { passed_on.push((name, path)) } else { module.paths.push(path) }
        }
        plain += after;
    }
    let words: Vec<Names> =
        plain.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').map(names).collect();
    let own = |name: &str| words.iter().any(|word| word.first().is_some_and(|first| first == name));
    module.paths.extend(passed_on.into_iter().filter(|(name, _)| own(name)).map(|(_, path)| path));
    module.paths.extend(words.into_iter().filter(|word| word.len() > 1));
    module
}

/// The module that defines the target of a path in the module `here`; for names from outside it is `here`.
fn home(modules: &Modules, here: &[String], path: &[String]) -> Option<Names> {
    let (head, rest) = path.split_first()?;
    let child = [here, std::slice::from_ref(head)].concat();
    match (head.as_str(), modules[here].imported.get(head)) {
        ("crate", _) => home(modules, &[], rest),
        ("self", _) => home(modules, here, rest),
        ("super", _) => home(modules, here.split_last()?.1, rest),
        // `pub use lower::lower` is both a module and a function in it.
        (_, Some(import)) if import.len() > 1 && (import[0] != *head || rest.is_empty()) => {
            home(modules, here, &[import, rest].concat())
        }
        _ if modules.contains_key(&child) => home(modules, &child, rest),
        _ => Some(here.to_vec()),
    }
}

fn circles<'a>(files: impl IntoIterator<Item = (&'a str, String)>) -> BTreeSet<BTreeSet<String>> {
    let modules: Modules = files.into_iter().map(|(path, text)| (names(path), module(&text))).collect();
    let reached = |from: &Names| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(at) = next.pop() {
            let homes = modules[&at].paths.iter().filter_map(|path| home(&modules, &at, path));
            next.extend(homes.filter(|to| *to != at && seen.insert(to.clone())));
        }
        seen
    };
    let reached: BTreeMap<&Names, BTreeSet<Names>> =
        modules.keys().map(|from| (from, reached(from))).collect();
    let circle = |from: &&Names| -> BTreeSet<String> {
        reached[from].iter().filter(|to| reached[to].contains(*from)).map(|to| to.join("::")).collect()
    };
    modules.keys().map(|from| circle(&from)).filter(|circle| circle.len() > 1).collect()
}

#[test]
fn no_files_are_in_a_circle() {
    let files = sources(&root().join("src"), "rs").into_iter().filter(|file| !file.ends_with("tests.rs"));
    let files: Vec<(String, String)> = files
        .map(|file| {
            let inside = file.strip_prefix(root().join("src")).unwrap().with_extension("");
            (inside.to_str().unwrap().replace(['/', '\\'], "::"), std::fs::read_to_string(file).unwrap())
        })
        .collect();
    let found = circles(
        files.iter().map(|(path, text)| (path.trim_end_matches("mod").trim_end_matches("lib"), text.clone())),
    );
    let stays = |circle: &BTreeSet<String>, (file, most): (&str, usize)| {
        circle.contains(file) && circle.len() <= most
    };
    let new: Vec<_> = found.iter().filter(|circle| !STAY.iter().any(|&stay| stays(circle, stay))).collect();
    assert!(new.is_empty(), "files that need each other; move what both need into a third: {new:#?}");
    let gone: Vec<_> = STAY.iter().filter(|&&stay| !found.iter().any(|circle| stays(circle, stay))).collect();
    assert!(gone.is_empty(), "in no circle any more; take them off the list: {gone:?}");
}

#[test]
fn circles_are_found_and_names_are_followed() {
    let count = |two: &str| {
        let up = "mod one;\nmod two;\npub use one::One;\npub use two::Two;";
        let one = "use super::Two;\npub struct One(Two);";
        circles(
            [("a", up), ("a::one", one), ("a::two", two), ("", "")]
                .map(|(path, text)| (path, text.to_owned())),
        )
        .len()
    };
    assert_eq!(count("pub struct Two(super::One);"), 1);
    assert_eq!(count("use crate::{a::{self as up}, b};\npub struct Two(up::One, b::C);"), 1);
    assert_eq!(count("pub struct Two;\n#[cfg(test)]\nmod tests {\n    use super::super::One;\n}"), 0);
}
