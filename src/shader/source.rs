//! Assembling a kernel's WGSL from its constants and its files.

/// A WGSL file of `shaders/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fragment {
    /// The path within `shaders/`, as `relu/forward.wgsl`.
    pub path: &'static str,
    /// The text.
    pub text: &'static str,
}

impl Fragment {
    /// A text that is no file of `shaders/`.
    pub const fn inline(text: &'static str) -> Self {
        Self { path: "(inline)", text }
    }
}

/// The [`Fragment`] of a path within `shaders/`.
macro_rules! fragment {
    ($path:literal) => {
        $crate::shader::Fragment {
            path: $path,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $path)),
        }
    };
}
pub(crate) use fragment;

/// A kernel's source: a generated `const` prelude, then files in order.
///
/// The three knobs of a variant, in this order: constants, an element alias, another file. There is no
/// preprocessor. A constant that a file needs and the prelude lacks is an error of the WGSL compiler.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    prelude: String,
    files: Vec<Fragment>,
}

impl Source {
    /// A source of the given files, without constants.
    pub fn new(files: impl Into<Vec<Fragment>>) -> Self {
        Self { prelude: String::new(), files: files.into() }
    }

    /// Adds `enable extension;`, which stands in front of everything else.
    pub fn enable(mut self, extension: &str) -> Self {
        self.prelude.insert_str(0, &format!("enable {extension};\n"));
        self
    }

    /// Adds `const NAME: u32 = value;`.
    pub fn constant(mut self, name: &str, value: usize) -> Self {
        self.prelude += &format!("const {name}: u32 = {value}u;\n");
        self
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
        for file in &self.files {
            text += &format!("\n// ---- shaders/{}\n{}", file.path, file.text);
        }
        text
    }

    /// The whole WGSL text.
    pub fn assemble(&self) -> String {
        let mut text = self.prelude.clone();
        for file in &self.files {
            text += "\n";
            text += file.text;
        }
        text
    }
}
