// activation.forward: output = activate(input)
//
// Buffers      input, output [len], as `elem` (f32, or vec4<f32> where len is a multiple of 4)
// Who          one invocation per elem; the grid covers len
// Numerics     those of the activation (activation/<name>.wgsl); NaN stays NaN
// Where        memory-bound; after batch norm, kernels apply it in their prologue instead
//
// needs: activate, elem, stored
// gives: each(i: u32)

var<storage, read> input: array<stored>;
var<storage, read_write> output: array<stored>;

fn each(i: u32) {
    output[i] = stored(activate(elem(input[i])));
}
