//! Marks the bindings that a shader accesses out of bounds.
//!
//! Every `name[index]` of a binding that is an array becomes `name[name_element(u32(index))]`; the function returns its argument and keeps
//! the highest. At the end of `main` an invocation compares it with the length of the array, and sets the bit of the binding's number in a
//! word in memory, a binding of its own. Results do not change.

/// The binding of the marks: `array<atomic<u32>>` of one element.
pub const OUT_OF_BOUNDS: &str = "out_of_bounds";

/// The text with marks and without comments. Its bindings are numbered, each on a line of its own; `main` does not return after an access.
pub(super) fn marking(text: &str) -> String {
    let bindings: Vec<(&str, &str)> = text.lines().filter_map(binding).collect();
    let names: Vec<&str> = bindings.iter().map(|&(name, _)| name).collect();
    let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or(line)).collect();
    let mut marked = rewrite(&code.join("\n"), &names);
    let main = marked.find("fn main(").expect("kernels have an entry point");
    let body = main + marked[main..].find('{').expect("`main` has a body");
    let end = body + closing(&marked[body..], ['{', '}']).expect("`main` ends");
    let compare = |(name, number): &(&str, &str)| {
        format!(
            "if {name}_highest >= arrayLength(&{name}) {{ atomicOr(&{OUT_OF_BOUNDS}[0], 1u << {number}u); }} "
        )
    };
    marked.insert_str(end, &bindings.iter().map(compare).collect::<String>());
    let next = text.matches("@binding(").count();
    marked += &format!(
        "\n@group(0) @binding({next}) var<storage, read_write> {OUT_OF_BOUNDS}: array<atomic<u32>>;\n"
    );
    for name in names {
        marked += &format!(
            "var<private> {name}_highest: u32;
fn {name}_element(i: u32) -> u32 {{
    {name}_highest = max({name}_highest, i);
    return i;
}}\n"
        );
    }
    marked
}

/// The name and the number of the binding that a line declares, if it is an array without a fixed length.
fn binding(line: &str) -> Option<(&str, &str)> {
    let (number, rest) = line.trim_start().strip_prefix("@group(0) @binding(")?.split_once(')')?;
    let (name, rest) = rest.split_once("> ")?.1.split_once(": array<")?;
    let mut depth = 0;
    let fixed = rest.trim_end().strip_suffix(">;")?.chars().any(|c| {
        depth += i32::from(c == '<') - i32::from(c == '>');
        c == ',' && depth == 0
    });
    (!fixed).then_some((name, number))
}

/// Passes the indices of these arrays through their functions.
fn rewrite(code: &str, names: &[&str]) -> String {
    let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (mut done, mut rest) = (String::new(), code);
    while let Some(begin) = rest.find(in_name) {
        let (before, from) = rest.split_at(begin);
        let (word, after) = from.split_at(from.find(|c| !in_name(c)).unwrap_or(from.len()));
        done += before;
        done += word;
        rest = after;
        if names.contains(&word) && !before.ends_with('.') && after.starts_with('[') {
            let close = closing(after, ['[', ']']).expect("brackets are closed");
            done += &format!("[{word}_element(u32({}))]", rewrite(&after[1..close], names));
            rest = &after[close + 1..];
        }
    }
    done + rest
}

/// The place of the bracket that closes the first one.
fn closing(text: &str, [open, close]: [char; 2]) -> Option<usize> {
    let mut depth = 0;
    text.char_indices().find_map(|(at, c)| {
        depth += i32::from(c == open) - i32::from(c == close);
        (c == close && depth == 0).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read_write> output: array<array<f32, 2>>;
@group(0) @binding(3) var<storage, read> few: array<f32, 4>;
struct Kept { input: array<f32, 2> }
// output[i] is input[i, in order
@compute @workgroup_size(1) fn main() {
    var kept = Kept();
    let i = i32(order[0] / 2u);
    output[i][1] = input[order[i + 1]].x / few[1] + kept.input[0]; // input[i]
}
";

    #[test]
    fn indices_of_arrays_pass_through_their_functions() {
        let marked = marking(TEXT);
        let line = "    output[output_element(u32(i))][1] = input[input_element(u32(order[order_element(u32(i + 1))]))].x / few[1] + kept.input[0]; ";
        assert_eq!(marked.lines().nth(9), Some(line), "{marked}");
        assert!(marked.contains("@binding(4) var<storage, read_write> out_of_bounds"));
        assert!(
            marked.contains(
                "if output_highest >= arrayLength(&output) { atomicOr(&out_of_bounds[0], 1u << 2u); }"
            ) && !marked.contains("few_element"),
            "{marked}"
        );
        let interface = super::super::reflect::reflect(&marked).unwrap();
        let names: Vec<_> = interface.bindings.iter().map(|b| b.name.as_str()).collect();
        assert_eq!(names, ["input", "order", "output", "few", OUT_OF_BOUNDS]);
    }
}
