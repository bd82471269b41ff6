// How a kernel reads the input of a layer: as it is.
//
// Buffers      input, as `input_stored`
//
// needs: input_elem, input_stored
// gives: input
// gives: input_at(i: u32, c: u32) -> input_elem

@group(0) @binding(0) var<storage, read> input: array<input_stored>;

fn input_at(i: u32, c: u32) -> input_elem {
    return input_elem(input[i]);
}
