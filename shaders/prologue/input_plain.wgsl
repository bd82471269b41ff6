// No prologue: the input is loaded unchanged.
//
// Buffers      input, as `input_stored`
//
// needs: input_elem, input_stored
// gives: input, InputVectors
// gives: input_vectors(c: u32) -> InputVectors
// gives: input_through(i: u32, x: input_elem, vectors: InputVectors) -> input_elem
// gives: input_at(i: u32, vectors: InputVectors) -> input_elem

var<storage, read> input: array<input_stored>;

// Channels have no values here; WGSL has no empty structs.
struct InputVectors {
    nothing: input_elem,
}

fn input_vectors(c: u32) -> InputVectors {
    return InputVectors();
}

fn input_through(i: u32, x: input_elem, vectors: InputVectors) -> input_elem {
    return x;
}

fn input_at(i: u32, vectors: InputVectors) -> input_elem {
    return input_elem(input[i]);
}
