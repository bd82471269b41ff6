//! Assembles a kernel's WGSL from its constants and its files.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use super::{
    bounds,
    contract::{self, ContractError},
    fragment::Fragment,
    reflect::{Interface, ReflectError, reflect},
};

/// The declarations of the sources read so far: a program is planned, tested and opened with the same ones, and reading them takes tens of
/// milliseconds.
static READ: LazyLock<Mutex<HashMap<Source, Interface>>> = LazyLock::new(Mutex::default);

/// A kernel's source: a generated `const` prelude, then files in order.
///
/// A variant differs by constants, by an element alias, or by another file, in this order of preference. There is no
/// preprocessor; only the bindings are numbered, in the order of their declarations. The header of a file lists the names that it needs and defines; [`Source::check`] checks that they match.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    prelude: String,
    files: Vec<Fragment>,
    /// Whether it marks the bindings that it accesses out of bounds.
    marks: bool,
}

impl Source {
    /// A source of the given files, without constants.
    pub fn new(files: impl Into<Vec<Fragment>>) -> Self {
        Self { prelude: String::new(), files: files.into(), marks: false }
    }

    /// Adds a file after the others.
    pub fn with(mut self, file: Fragment) -> Self {
        self.files.push(file);
        self
    }

    /// The same, with another binding [`OUT_OF_BOUNDS`](super::OUT_OF_BOUNDS): a word in which the bits of those bindings are set, by
    /// their numbers, that are accessed out of bounds.
    pub fn marking(self) -> Self {
        Self { marks: true, ..self }
    }

    /// Adds `enable extension;`, which comes before everything else.
    pub fn enable(mut self, extension: &str) -> Self {
        self.prelude.insert_str(0, &format!("enable {extension};\n"));
        self
    }

    /// Adds `const NAME: u32 = value;`.
    pub fn constant(mut self, name: &str, value: usize) -> Self {
        self.prelude += &format!("const {name}: u32 = {value}u;\n");
        self
    }

    /// The value of a constant that was added.
    pub fn value(&self, name: &str) -> Option<usize> {
        let start = format!("const {name}: u32 = ");
        let line = self.prelude.lines().find_map(|line| line.strip_prefix(&start));
        line.and_then(|value| value.strip_suffix("u;")?.parse().ok())
    }

    /// Adds `const NAME: bool = value;`.
    pub fn flag(mut self, name: &str, value: bool) -> Self {
        self.prelude += &format!("const {name}: bool = {value};\n");
        self
    }

    /// Adds `const NAME: f32 = value;`, exact to the last bit.
    pub fn float(mut self, name: &str, value: f32) -> Self {
        self.prelude += &format!("const {name}: f32 = {value:?}f;\n");
        self
    }

    /// Adds `alias name = target;`.
    pub fn alias(mut self, name: &str, target: &str) -> Self {
        self.prelude += &format!("alias {name} = {target};\n");
        self
    }

    /// Adds `const NAME: array<f32, n> = array(...);`, exact to the last bit.
    pub fn floats(mut self, name: &str, values: &[f32]) -> Self {
        let list: Vec<String> = values.iter().map(|value| format!("{value:?}f")).collect();
        self.prelude += &format!("const {name} = array<f32, {}>({});\n", values.len(), list.join(", "));
        self
    }

    /// The whole WGSL text for a reader: each part after a line with the name of its file.
    pub fn annotated(&self) -> String {
        let mut text = format!("// ---- generated\n{}", self.prelude);
        for (file, code) in self.codes() {
            text += &format!("\n// ---- shaders/{}\n{code}", file.path);
        }
        text
    }

    /// The whole WGSL text.
    pub fn assemble(&self) -> String {
        let mut text = self.prelude.clone();
        for (_, code) in self.codes() {
            text += "\n";
            text += &code;
        }
        if self.marks { bounds::marking(&text) } else { text }
    }

    /// The files with their texts, in which the bindings are numbered: each `var<storage` at the start of a line is one.
    fn codes(&self) -> impl Iterator<Item = (&Fragment, String)> {
        let mut next = 0;
        self.files.iter().map(move |file| {
            let mut code = String::new();
            for line in file.code().split_inclusive('\n') {
                if line.starts_with("var<storage") {
                    code += &format!("@group(0) @binding({next}) ");
                    next += 1;
                }
                code += line;
            }
            (file, code)
        })
    }

    /// Checks that every name that a file needs is defined exactly once, by the prelude or by a file.
    ///
    /// # Errors
    /// The file and the name.
    pub fn check(&self) -> Result<(), ContractError> {
        contract::check(self.prelude.lines().filter_map(defined), &self.files)
    }

    /// Checks the source, assembles it and lists its declarations.
    ///
    /// # Errors
    /// [`ReflectError`], with the file and the line in it if known.
    pub fn reflect(&self) -> Result<Interface, ReflectError> {
        let read = || READ.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(interface) = read().get(self) {
            return Ok(interface.clone());
        }
        self.check()?;
        let interface =
            reflect(&self.assemble()).map_err(|error| error.located(|line| self.locate(line as usize)))?;
        read().insert(self.clone(), interface.clone());
        Ok(interface)
    }

    /// The part that a line of the assembled text belongs to and the line in it, both counted from 1.
    fn locate(&self, line: usize) -> String {
        let line_breaks = |text: &str| text.matches('\n').count();
        let mut place = format!("generated constants, line {line}");
        let mut first = 1 + line_breaks(&self.prelude);
        for file in &self.files {
            // `assemble` puts a line break before each file.
            first += 1;
            if line < first {
                break;
            }
            place = format!("{}:{}", file.name(), line - first + 1);
            first += line_breaks(file.text);
        }
        place
    }
}

/// The name that a line of the prelude defines.
fn defined(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("const ").or_else(|| line.strip_prefix("alias "))?;
    rest.split([':', ' ']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Fragment = Fragment::file(
        "shared/good.wgsl",
        "// A fragment.\n//\n// needs: nothing\n// gives: ONE\n\nconst ONE = 1.0;\n",
    );

    /// The error message of a source whose second file has this text.
    fn message(text: &'static str) -> String {
        let broken = Fragment::file("broken/forward.wgsl", text);
        let source = Source::new([GOOD, broken]).constant("LEN", 3).alias("elem", "f32");
        source.reflect().unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_file_and_the_line_in_it() {
        let parse =
            message("// needs: nothing\n\n@compute @workgroup_size(1)\nfn main() { let x = missing; }\n");
        assert!(parse.starts_with("shaders/broken/forward.wgsl:4: "), "{parse}");
        assert!(parse.contains("let x = missing"), "{parse}");
        let invalid = message(
            "// needs: nothing\n@compute @workgroup_size(1)\nfn main() {\n    let x: u32 = 1.5;\n}\n",
        );
        assert!(invalid.starts_with("shaders/broken/forward.wgsl:4: "), "{invalid}");
        let invalid = message(
            "// needs: nothing
var<storage, read> a: array<f32>;
@compute @workgroup_size(1)
fn main() {
    a[0] = 1.0;
}
",
        );
        assert!(invalid.starts_with("shaders/broken/forward.wgsl:5: "), "{invalid}");
    }

    #[test]
    fn bindings_are_numbered_over_all_files() {
        let reads =
            Fragment::file("a.wgsl", "var<storage, read> first: array<f32>;\nvar<workgroup> tile: f32;\n");
        let writes = Fragment::file(
            "b.wgsl",
            "var<storage, read_write> second: array<f32>;
fn at(i: u32) -> f32 { return first[i]; }
var<storage, read> third: array<f32>;
@compute @workgroup_size(1) fn main() { second[0] = at(0u) + third[0]; }
",
        );
        let source = Source::new([reads, writes]);
        let bindings = source.reflect().unwrap().bindings;
        let bindings: Vec<_> = bindings.iter().map(|b| (b.group, b.binding, b.name.as_str())).collect();
        assert_eq!(bindings, [(0, 0, "first"), (0, 1, "second"), (0, 2, "third")]);
        assert!(source.annotated().contains("b.wgsl\n@group(0) @binding(1) var<storage, read_write>"));
    }

    #[test]
    fn errors_name_the_line_of_the_constants() {
        let source = Source::new([GOOD]).constant("LEN", 3).alias("elem", "nothing_of_wgsl");
        let error = source.reflect().unwrap_err().to_string();
        assert!(error.starts_with("generated constants, line 2: "), "{error}");
    }

    /// A file may end without a line break, and `enable` comes before all constants.
    #[test]
    fn every_line_belongs_to_a_part() {
        let last = Fragment::file("last.wgsl", "const LAST = 2;");
        let source = Source::new([last, GOOD]).constant("LEN", 3).enable("f16");
        let text = source.assemble();
        let at = |start: &str| text.lines().position(|line| line.starts_with(start)).unwrap() + 1;
        assert_eq!(source.locate(at("enable")), "generated constants, line 1");
        assert_eq!(source.locate(at("const LEN")), "generated constants, line 2");
        assert_eq!(source.locate(at("const ONE")), "shaders/shared/good.wgsl:6");
        assert_eq!(source.locate(at("const LAST")), "shaders/last.wgsl:1");
    }

    #[test]
    fn the_prelude_says_what_it_defines() {
        let source = Source::new([]).enable("f16").constant("A", 1).flag("B", true).float("C", 1.0);
        let source = source.alias("d", "f32").floats("E", &[1.0]);
        assert_eq!(source.prelude.lines().filter_map(defined).collect::<Vec<_>>(), ["A", "B", "C", "d", "E"]);
    }
}
