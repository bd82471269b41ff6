// Winograd, the values that are transformed: the output's gradient.
//
// Buffers      grad_output [IMAGES, H, W, C] as `elem`
//
// needs: elem
// gives: grad_output
// gives: vectors_of(c: u32) -> array<elem, 5>
// gives: value(at: u32, vectors: array<elem, 5>) -> elem

@group(0) @binding(0) var<storage, read> grad_output: array<elem>;

fn vectors_of(c: u32) -> array<elem, 5> {
    return array<elem, 5>();
}

fn value(at: u32, vectors: array<elem, 5>) -> elem {
    return grad_output[at];
}
