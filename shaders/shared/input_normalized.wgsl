// How a kernel reads the input of a layer: through batch norm and ReLU, relu((x - mean) scale + shift); NaN stays NaN.
//
// Buffers      input as `input_stored`; affine [4, INPUT_C] (mean, scale, shift, inverse standard deviation) as
//              `input_elem` along the channels
//
// needs: INPUT_C, input_elem, input_stored
// gives: input, affine
// gives: input_at(i: u32, c: u32) -> input_elem

@group(0) @binding(0) var<storage, read> input: array<input_stored>;
@group(0) @binding(7) var<storage, read> affine: array<input_elem>;

fn input_at(i: u32, c: u32) -> input_elem {
    let y = (input_elem(input[i]) - affine[c]) * affine[INPUT_C + c] + affine[2u * INPUT_C + c];
    return select(y, input_elem(0.0), y < input_elem(0.0));
}
