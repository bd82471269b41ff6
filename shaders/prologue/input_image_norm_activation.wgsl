// Prologue: the input after a norm of each image and an activation, activate((x - mean) scale + shift).
//
// Buffers      input as `input_stored`; affine [IMAGES, 4, INPUT_C] (mean, scale, shift, inverse standard deviation) as
//              `input_elem` along the channels, of which the first INPUT_IMAGES_BEFORE images are not those of `input`
//
// needs: INPUT_C, INPUT_IMAGE, INPUT_IMAGES_BEFORE, input_activate, input_elem, input_stored
// gives: input, affine, InputVectors
// gives: input_vectors(c: u32) -> InputVectors
// gives: input_through(i: u32, x: input_elem, vectors: InputVectors) -> input_elem
// gives: input_at(i: u32, vectors: InputVectors) -> input_elem

var<storage, read> input: array<input_stored>;
var<storage, read> affine: array<input_elem>;

// The vectors depend on the image, too, and are loaded with the value.
struct InputVectors {
    channel: u32,
}

fn input_vectors(c: u32) -> InputVectors {
    return InputVectors(c);
}

fn input_through(i: u32, x: input_elem, vectors: InputVectors) -> input_elem {
    let at = (i / INPUT_IMAGE + INPUT_IMAGES_BEFORE) * 4u * INPUT_C + vectors.channel;
    return input_activate((x - affine[at]) * affine[at + INPUT_C] + affine[at + 2u * INPUT_C]);
}

fn input_at(i: u32, vectors: InputVectors) -> input_elem {
    return input_through(i, input_elem(input[i]), vectors);
}
