//! Which names a WGSL text defines and which it uses: enough of a lexer for the files in `shaders/`.

use std::collections::BTreeSet;

/// The words of WGSL that the shaders use. A word that is missing here shows up as a name that a file needs.
const WORDS: &str = "
    enable fn let var const alias struct override return if else for while loop continuing break continue true false
    function private workgroup storage read write read_write
    bool f32 f16 u32 i32 vec2 vec3 vec4 mat4x4 array ptr atomic coop_mat16x16 coop_mat8x8
    abs any arrayLength atomicStore bitcast clamp dot dot4I8Packed exp floor fma log max min mix round select sign sqrt
    transpose workgroupBarrier
    subgroupAny subgroupShuffle unpack2x16float coopLoad coopLoadT coopMultiplyAdd coopStoreT";

/// The names of a WGSL text.
#[derive(Debug, Default)]
pub struct Names {
    /// The definitions at the top level, in order; functions as `read(index: u32) -> elem`.
    pub defined: Vec<String>,
    /// The used names that are neither defined in the text nor words of WGSL.
    pub needed: BTreeSet<String>,
}

impl Names {
    pub fn of(text: &str) -> Self {
        let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap()).collect();
        let code = code.join("\n");
        let tokens = tokens(&code);
        let mut names = Self::default();
        let (mut depth, mut start) = (0, 0);
        for (at, token) in tokens.iter().enumerate() {
            match *token {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 && ["}", ";"].contains(token) {
                names.item(&code, &tokens[start..=at]);
                start = at + 1;
            }
        }
        assert_eq!(start, tokens.len(), "the text ends within a definition");
        for item in &names.defined {
            names.needed.remove(item.split('(').next().unwrap());
        }
        names
    }

    /// Adds a definition with its uses.
    fn item(&mut self, code: &str, tokens: &[&str]) {
        let (mut used, mut local) = (Vec::new(), Vec::new());
        let mut own = None;
        let mut at = 0;
        while at < tokens.len() {
            let (before, token, after) =
                (at.checked_sub(1).map(|i| tokens[i]), tokens[at], tokens.get(at + 1).copied());
            at += 1;
            if token == "@" {
                // The name in `@builtin(name)` is WGSL's; the one in `@workgroup_size(NAME)` is not.
                at += if after == Some("builtin") { 4 } else { 1 };
            } else if ["fn", "let", "var", "const", "alias", "struct", "override"].contains(&token) {
                if tokens[at] == "<" {
                    at += tokens[at..].iter().position(|t| *t == ">").unwrap() + 1;
                }
                local.push(tokens[at]);
                own = own.or(Some((token, tokens[at])));
                at += 1;
            } else if token.starts_with("coop_mat") && after == Some("<") {
                // The role that follows the element type is a word of WGSL here only.
                used.push(tokens[at + 1]);
                at += 4;
            } else if after == Some(":") && is_name(token) {
                local.push(token);
            } else if is_name(token) && before != Some(".") {
                used.push(token);
            }
        }
        let foreign = used.into_iter().filter(|name| !local.contains(name));
        self.needed
            .extend(foreign.filter(|name| !WORDS.split_whitespace().any(|w| w == *name)).map(str::to_owned));
        if let Some((keyword, name)) = own {
            self.defined.push(if keyword == "fn" { signature(code, tokens) } else { name.to_owned() });
        }
    }
}

/// `read(index: u32) -> elem`, on one line, from the tokens of a function, which are slices of `code`.
fn signature(code: &str, tokens: &[&str]) -> String {
    let begin = tokens.iter().position(|t| *t == "fn").unwrap() + 1;
    let end = tokens.iter().position(|t| *t == "{").unwrap();
    let offset = |token: &str| token.as_ptr() as usize - code.as_ptr() as usize;
    let text = &code[offset(tokens[begin])..offset(tokens[end])];
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.replace("( ", "(").replace(", )", ")")
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Names, numbers, and everything else character by character.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let part_of = |c: char| c.is_alphanumeric() || c == '_' || (first.is_ascii_digit() && c == '.');
        let length =
            if part_of(first) { rest.find(|c| !part_of(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

#[test]
fn names_are_found() {
    let names = Names::of(
        "// comment(other)
        enable f16;
        alias Left = coop_mat8x8<f16, A>;
        struct Rates { rate: elem, missing: Kind }
        @group(0) @binding(0) var<storage, read> input: array<stored>;
        const LEN: u32 = 4u * LINES;
        fn read(
            index: u32, count: u32,
        ) -> elem {
            let y = elem(input[index]) * 1.5e3f + 0x7fu;
            return passed(y.member, Rates(y));
        }
        @compute @workgroup_size(WORKGROUP)
        fn main(@builtin(workgroup_id) id: vec3<u32>) { for (var i = 0u; i < LEN; i++) { read(i, COUNT); } }",
    );
    assert_eq!(
        names.defined,
        [
            "Left",
            "Rates",
            "input",
            "LEN",
            "read(index: u32, count: u32) -> elem",
            "main(@builtin(workgroup_id) id: vec3<u32>)"
        ]
    );
    let needed: Vec<&str> = names.needed.iter().map(String::as_str).collect();
    assert_eq!(needed, ["COUNT", "Kind", "LINES", "WORKGROUP", "elem", "passed", "stored"]);
}
