// fake_quantize.grad_input: grad_output where the nearest step of input is one of 0 to STEPS, else 0
//
// Buffers      input, grad_output, grad_input [len], as `elem`; fake_quantize/steps.wgsl declares range
// Who          one invocation per elem; the grid covers len
// Numerics     exact, but for values within a rounding of a half step outside the range
//
// needs: STEPS, elem, nearest_step, stored
// gives: each(i: u32)

var<storage, read> input: array<stored>;
var<storage, read> grad_output: array<stored>;
var<storage, read_write> grad_input: array<stored>;

fn each(i: u32) {
    let nearest = nearest_step(elem(input[i]));
    let inside = (nearest >= elem(0.0)) & (nearest <= elem(STEPS));
    grad_input[i] = stored(select(elem(0.0), elem(grad_output[i]), inside));
}
