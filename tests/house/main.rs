//! The rules of the house: which part may import which, as in ARCHITECTURE.md.

mod circles;
mod wgsl;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use vgg_wgpu::shader::header;
use wgsl::Names;

/// Each room of `src/` and the rooms that it may import. `cli` and the two roots may import all.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("shape", &[]),
    ("dtype", &[]),
    ("rng", &[]),
    ("cache", &[]),
    ("files", &[]),
    ("pictures", &[]),
    // ROLES says what the roles of an operation may import.
    ("ops", &["dtype", "shape", "rng"]),
    ("model", &["ops", "dtype", "shape", "rng"]),
    ("program", &["model", "ops", "dtype", "shape", "rng"]),
    ("cpu", &["program", "ops", "dtype", "shape", "rng"]),
    ("shader", &[]),
    ("kernels", &["shader", "ops", "dtype", "shape", "rng"]),
    ("gpu", &["program", "files", "kernels", "shader", "ops", "dtype", "shape"]),
    ("verify", &["gpu", "cpu", "kernels", "shader", "program", "ops", "dtype", "shape", "rng"]),
    ("tune", &["verify", "gpu", "kernels", "program", "ops", "dtype", "rng", "cache", "files"]),
    ("data", &["ops", "rng", "cache", "files"]),
    (
        "device",
        &[
            "train", "weights", "verify", "gpu", "cpu", "data", "program", "model", "ops", "dtype", "shape",
            "rng",
        ],
    ),
    ("quantize", &["device", "train", "weights", "data", "program", "model", "ops"]),
    ("weights", &["data", "model", "ops", "dtype", "shape", "rng", "files"]),
    ("train", &["weights", "pictures", "data", "program", "model", "ops", "dtype", "rng", "files"]),
    ("export", &["train", "weights", "pictures", "data", "model", "ops", "dtype", "files"]),
];

/// The files of an operation by role, and the rooms that each may import. `mod.rs` describes the operation.
const ROLES: &[(&str, &[&str])] = &[
    ("mod", &["ops", "dtype", "shape", "rng"]),
    ("reference", &["cpu", "ops", "dtype", "rng"]),
    ("cpu", &["cpu", "ops", "dtype", "rng"]),
    ("kernels", &["kernels", "shader", "ops", "dtype", "rng"]),
    ("check", &["verify", "ops", "dtype", "rng"]),
];

/// External crates, and the only rooms that may name them.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("wgpu", &["gpu"]),
    ("ash", &["gpu"]),
    ("naga", &["shader"]),
    ("anyhow", &["cli"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("indicatif", &["cli"]),
    ("base64", &["cli"]),
    ("plotters", &["pictures"]),
    ("prost", &["export"]),
    ("vgg_wgpu_mnist", &["data"]),
    ("safetensors", &["weights"]),
    ("gemm_common", &["cpu"]),
    ("gemm_f32", &["cpu"]),
    ("gemm_f64", &["cpu"]),
    ("pulp", &["cpu", "rng"]),
];

/// Files may be this long.
const LINES: usize = 500;

fn sources(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A file of a folder in `src/` is in the room of that name, and so is a file of that name.
fn room(file: &Path) -> String {
    let inside = file.strip_prefix(root().join("src")).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The code without comments and without its string literals.
fn code(text: &str) -> String {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or(""));
    lines.collect::<Vec<_>>().join("\n").split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

/// `src/ops/conv/kernels/tiled.rs` has the role `kernels`, `src/ops/activation/cpu.rs` the role `cpu`; files next to the folders of
/// operations have none.
fn role(file: &Path) -> Option<String> {
    let inside = file.strip_prefix(root().join("src/ops")).ok()?;
    let mut parts = inside.components().skip(1).map(|part| part.as_os_str().to_str().unwrap());
    Some(parts.next()?.trim_end_matches(".rs").to_owned())
}

/// The first path segments after every `crate::` or `vgg_wgpu::`, groups in braces included.
fn imported_rooms(code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            rooms.insert(identifier(rest));
            continue;
        };
        let (mut depth, mut start) = (0, true);
        for (index, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                c if start && c.is_alphanumeric() => {
                    rooms.insert(identifier(&group[index..]));
                    start = false;
                }
                _ => {}
            }
        }
    }
    rooms
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Whether the code names a crate: `name::` that does not end a longer path or identifier.
fn names_crate(code: &str, name: &str) -> bool {
    let paths = code
        .match_indices(&format!("{name}::"))
        .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'));
    paths || code.contains(&format!("use {name};")) || code.contains(&format!("extern crate {name}"))
}

#[test]
fn each_room_imports_only_what_it_may() {
    let mut breaches = Vec::new();
    let mut seen = BTreeSet::new();
    for file in sources(&root().join("src"), "rs") {
        let room = room(&file);
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == room) else {
            assert!(["cli", "lib", "main"].contains(&room.as_str()), "{} is in no room", file.display());
            continue;
        };
        seen.insert(room.clone());
        let allowed = match role(&file) {
            Some(role) => {
                let known = ROLES.iter().find(|(name, _)| *name == role);
                known.unwrap_or_else(|| panic!("{} has no role of an operation", file.display())).1
            }
            None => allowed,
        };
        for import in imported_rooms(&code(&fs::read_to_string(&file).unwrap())) {
            if import != room && !allowed.contains(&import.as_str()) {
                breaches.push(format!("{}: {room} imports {import}", file.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
    assert_eq!(seen.len(), MAY_IMPORT.len(), "rooms without a file: the table is out of date");
}

/// The reference shares no code with what it checks: a CPU twin never names kernels, nor kernels a CPU twin.
#[test]
fn the_roles_of_operations_stay_apart() {
    let mut breaches = Vec::new();
    let mut found = BTreeSet::new();
    for file in sources(&root().join("src/ops"), "rs") {
        let Some(role) = role(&file) else { continue };
        let code = code(&fs::read_to_string(&file).unwrap());
        let foreign: &[&str] = match role.as_str() {
            "cpu" | "reference" => &["kernels", "check"],
            "kernels" => &["cpu", "reference", "check"],
            "check" => &["cpu", "reference", "kernels"],
            _ => &[],
        };
        for other in foreign {
            if code.contains(&format!("{other}::")) || code.contains(&format!("::{other}")) {
                breaches.push(format!("{}: {role} names {other}", file.display()));
            }
        }
        found.insert(role);
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
    assert_eq!(found.len(), ROLES.len(), "{found:?}");
}

#[test]
fn each_outside_crate_stays_in_its_room() {
    let mut breaches = Vec::new();
    for file in sources(&root().join("src"), "rs") {
        let room = room(&file);
        let code = code(&fs::read_to_string(&file).unwrap());
        for (name, only) in ONLY_IN {
            if !only.contains(&room.as_str()) && room != "main" && names_crate(&code, name) {
                breaches.push(format!("{}: {name} belongs in {}", file.display(), only.join(", ")));
            }
        }
        let prints = ["println!", "print!", "dbg!"].iter().any(|p| code.contains(p));
        if prints && !["cli", "main"].contains(&room.as_str()) {
            breaches.push(format!("{}: only cli prints", file.display()));
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn files_stay_readable_and_finished() {
    let mut breaches = Vec::new();
    let folders = [("src", "rs"), ("tests", "rs"), ("benches", "rs"), ("shaders", "wgsl")];
    for file in folders.iter().flat_map(|(folder, extension)| sources(&root().join(folder), extension)) {
        let text = fs::read_to_string(&file).unwrap();
        if text.lines().count() > LINES {
            breaches.push(format!("{}: {} lines", file.display(), text.lines().count()));
        }
        // Spelled in halves, so that this file does not find itself.
        for stub in [["to", "do!"], ["unimpl", "emented!"], ["FIX", "ME"], ["TO", "DO"]].map(|p| p.concat()) {
            if text.contains(&stub) {
                breaches.push(format!("{}: {stub}", file.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

/// Whether a path that a text names is in the project. Placeholders as in `src/ops/<op>/` and the parts of file names before a
/// `*` end a path.
fn missing_paths(text: &str) -> Vec<&str> {
    const FOLDERS: [&str; 8] =
        ["src/", "shaders/", "tests/", "docs/", "assets/", "scripts/", "benches/", "examples/"];
    let is_path = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
    let mut missing = Vec::new();
    for (at, folder) in FOLDERS.iter().flat_map(|f| text.match_indices(f)) {
        if text[..at].ends_with(|c: char| is_path(c) || c == '~') {
            continue;
        }
        let rest = &text[at..];
        let end = rest.find(|c: char| !is_path(c)).unwrap_or(rest.len());
        let path = rest[..end].trim_end_matches(['.', '-']);
        let open = rest[end..].starts_with(['*', '<', '{', '$', 'X']);
        let known = if open { &path[..path.rfind('/').map_or(0, |slash| slash + 1)] } else { path };
        if path.len() > folder.len() && !root().join(known).exists() {
            missing.push(path);
        }
    }
    missing
}

#[test]
fn every_path_that_is_named_exists() {
    let mut breaches = Vec::new();
    let code = [("src", "rs"), ("tests", "rs"), ("benches", "rs"), ("shaders", "wgsl")];
    let documents = [(".", "md"), ("docs", "md"), ("shaders", "md"), ("assets", "md")];
    for (folder, extension) in code.into_iter().chain(documents) {
        let files = match folder {
            "." => {
                let entries = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
                entries.filter(|file| file.extension().is_some_and(|e| e == extension)).collect()
            }
            folder => sources(&root().join(folder), extension),
        };
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            let comments = |line: &str| line.find("//").map(|at| line[at..].to_owned());
            let text = match extension {
                "md" => text,
                _ => text.lines().filter_map(comments).collect::<Vec<_>>().join("\n"),
            };
            breaches.extend(missing_paths(&text).iter().map(|path| format!("{}: {path}", file.display())));
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
    let text = "see `src/lib.rs`, src/ops/<op>/cpu.rs, `shaders/shared/read_*.wgsl` and [docs/lost.md]; src/gone.rs.";
    assert_eq!(missing_paths(text), ["src/gone.rs", "docs/lost.md"]);
}

#[test]
fn every_allow_has_a_reason() {
    let mut breaches = Vec::new();
    for file in ["src", "tests", "benches", "examples"].iter().flat_map(|f| sources(&root().join(f), "rs")) {
        let code = fs::read_to_string(&file).unwrap();
        // Spelled in halves, so that this file does not find itself.
        for (at, _) in code.match_indices(&["[all", "ow("].concat()) {
            let attribute = code[at..].split(")]").next().unwrap_or_default();
            if !attribute.contains("reason = ") {
                breaches.push(format!("{}: {attribute})]", file.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

/// The keys that the header of a kernel has, as shaders/README.md says. `Source` and `Where` are for those to which they
/// apply.
const KEYS: &[&str] = &["Buffers", "Who", "Numerics"];

/// What is wrong with a shader's header. `needed` are the names that other files need.
fn header_breaches(text: &str, needed: &BTreeSet<String>) -> Vec<String> {
    let names = Names::of(text);
    let mut breaches = Vec::new();
    let comments: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//")).collect();
    if comments.first().is_none_or(|line| line.trim().is_empty() || line.starts_with(" needs:")) {
        breaches.push("the header does not begin with what the file is".to_owned());
    }
    let needs = header(text, "needs");
    let needs_of_text: Vec<&str> = names.needed.iter().map(String::as_str).collect();
    if needs.as_ref() != Some(&needs_of_text) {
        let list = if needs_of_text.is_empty() { "nothing".to_owned() } else { needs_of_text.join(", ") };
        breaches.push(format!("the header should have `// needs: {list}`"));
    }
    if text.contains("@group") {
        breaches
            .push("bindings are numbered when a kernel is assembled: no `@group` and `@binding`".to_owned());
    }
    let mut gives = header(text, "gives").unwrap_or_default();
    let defines = |name: &str| names.defined.iter().any(|d| d.split('(').next() == Some(name));
    let entry = names.needed.contains("each") || names.needed.contains("run");
    if ["each", "run", "main"].into_iter().any(defines) && !entry {
        // A kernel lists only the names that the entry point and other fragments need.
        let stale = |item: &&&str| {
            !names.defined.iter().any(|d| d == **item) || !needed.contains(item.split('(').next().unwrap())
        };
        if let Some(item) = gives.iter().find(stale) {
            breaches.push(format!(
                "the header gives {item}, which the file does not define or no other file needs"
            ));
        }
        let lacks = |key: &&&str| !comments.iter().any(|line| line.starts_with(&format!(" {key}  ")));
        breaches.extend(KEYS.iter().filter(lacks).map(|key| format!("the header lacks {key}")));
    } else {
        let mut defined: Vec<&str> = names.defined.iter().map(String::as_str).collect();
        defined.retain(|name| !name.starts_with("main("));
        gives.sort_unstable();
        defined.sort_unstable();
        if gives != defined {
            let lines: Vec<String> = names.defined.iter().map(|name| format!("// gives: {name}")).collect();
            breaches.push(format!("the header should have\n{}", lines.join("\n")));
        }
    }
    breaches
}

#[test]
fn headers_of_shaders_say_what_the_files_need_and_give() {
    let read = |file: PathBuf| (fs::read_to_string(&file).unwrap(), file);
    let files: Vec<(String, PathBuf)> =
        sources(&root().join("shaders"), "wgsl").into_iter().map(read).collect();
    assert!(files.len() > 100, "{} shaders", files.len());
    let needed: BTreeSet<String> = files.iter().flat_map(|(text, _)| Names::of(text).needed).collect();
    let breaches: Vec<String> = files
        .iter()
        .flat_map(|(text, file)| {
            let breaches = header_breaches(text, &needed);
            breaches.into_iter().map(|breach| format!("{}: {breach}", file.display())).collect::<Vec<_>>()
        })
        .collect();
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn a_stale_header_is_found() {
    let needed = BTreeSet::from(["TILE".to_owned(), "each".to_owned()]);
    let good = "// Half.\n//\n// needs: elem\n// gives: half(x: elem) -> elem\n\nfn half(x: elem) -> elem { return 0.5 * x; }\n";
    assert_eq!(header_breaches(good, &needed), [""; 0]);
    for (from, to) in [
        ("needs: elem", "needs: nothing"),
        ("needs: elem", "needs: elem, other"),
        ("-> elem\n\n", "\n\n"),
        ("0.5 * x", "HALF * x"),
        ("// Half.\n//\n", ""),
    ] {
        assert_eq!(header_breaches(&good.replace(from, to), &needed).len(), 1, "{from} -> {to}");
    }
    let kernel = "// op.pass\n// Buffers      none\n// Who          one\n// Numerics     exact\n// needs: nothing\n// gives: TILE\n// gives: each(i: u32)\n
const TILE: u32 = 8u;\nconst OWN: u32 = 8u;\nvar<storage, read> input: array<f32>;\nfn each(i: u32) {}\n";
    assert_eq!(header_breaches(kernel, &needed), [""; 0]);
    assert_eq!(header_breaches(&kernel.replace("// Who          one\n", ""), &needed).len(), 1);
    assert_eq!(header_breaches(&kernel.replace("gives: TILE", "gives: OWN"), &needed).len(), 1);
    assert_eq!(header_breaches(&kernel.replace("each(i: u32)\n\n", "each(c: u32)\n\n"), &needed).len(), 1);
    assert_eq!(header_breaches(&kernel.replace("var<", "@group(0) @binding(0) var<"), &needed).len(), 1);
    let entry =
        "// Calls each(i).\n//\n// needs: each\n\n@compute @workgroup_size(1)\nfn main() { each(0u); }\n";
    assert_eq!(header_breaches(entry, &needed), [""; 0]);
}

/// The checks above can fail.
#[test]
fn the_rules_find_what_they_look_for() {
    let code = code(
        "use crate::{gpu::Adapter, ops::{Op, Conv}, shape::Shape}; // crate::train\nlet x = crate::cli::run(\"crate::data\");",
    );
    let rooms: Vec<String> = imported_rooms(&code).into_iter().collect();
    assert_eq!(rooms, ["cli", "gpu", "ops", "shape"]);
    assert!(names_crate("let x = wgpu::Device;", "wgpu"));
    assert!(!names_crate("use my_wgpu::Device;", "wgpu") && !names_crate("use vgg_wgpu::ops;", "wgpu"));
}
