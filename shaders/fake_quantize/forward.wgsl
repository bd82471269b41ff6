// fake_quantize.forward: output = scale clamp(rne(input / scale), 0, STEPS) with scale = range / STEPS
//
// Buffers      input, output [len], as `elem`; fake_quantize/steps.wgsl declares range
// Who          one invocation per elem; the grid covers len
// Numerics     f32; values within a rounding of a half may go to either neighbour
//
// needs: STEPS, elem, nearest_step, step_size, stored
// gives: each(i: u32)

var<storage, read> input: array<stored>;
var<storage, read_write> output: array<stored>;

fn each(i: u32) {
    output[i] = stored(step_size() * clamp(nearest_step(elem(input[i])), elem(0.0), elem(STEPS)));
}
