// Winograd, the values that are transformed: the input, through prologue/input_*.wgsl.
//
// needs: InputVectors, input_at, input_elem, input_vectors
// gives: vectors_of(c: u32) -> InputVectors
// gives: value(at: u32, vectors: InputVectors) -> input_elem

fn vectors_of(c: u32) -> InputVectors {
    return input_vectors(c);
}

fn value(at: u32, vectors: InputVectors) -> input_elem {
    return input_at(at, vectors);
}
