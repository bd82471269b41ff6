// Winograd, the values that are transformed: the input, read as shared/read_*.wgsl says.
//
// Buffers      input [IMAGES, H, W, C] as `elem`
//
// needs: activated, activation, elem
// gives: input
// gives: vectors_of(c: u32) -> array<elem, 3>
// gives: value(at: u32, vectors: array<elem, 3>) -> elem

@group(0) @binding(0) var<storage, read> input: array<elem>;

fn vectors_of(c: u32) -> array<elem, 3> {
    return activation(c);
}

fn value(at: u32, vectors: array<elem, 3>) -> elem {
    return activated(input[at], vectors);
}
