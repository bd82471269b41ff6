// Prologue: the input after batch norm and an activation, activate((x - mean) scale + shift).
//
// Buffers      input as `input_stored`; affine [4, INPUT_C] (mean, scale, shift, inverse standard deviation) as
//              `input_elem` along the channels
//
// needs: INPUT_C, input_activate, input_elem, input_stored
// gives: input, affine, InputVectors
// gives: input_vectors(c: u32) -> InputVectors
// gives: input_through(i: u32, x: input_elem, vectors: InputVectors) -> input_elem
// gives: input_at(i: u32, vectors: InputVectors) -> input_elem

var<storage, read> input: array<input_stored>;
var<storage, read> affine: array<input_elem>;

struct InputVectors {
    mean: input_elem,
    scale: input_elem,
    shift: input_elem,
}

fn input_vectors(c: u32) -> InputVectors {
    return InputVectors(affine[c], affine[INPUT_C + c], affine[2u * INPUT_C + c]);
}

fn input_through(i: u32, x: input_elem, vectors: InputVectors) -> input_elem {
    return input_activate((x - vectors.mean) * vectors.scale + vectors.shift);
}

fn input_at(i: u32, vectors: InputVectors) -> input_elem {
    return input_through(i, input_elem(input[i]), vectors);
}
