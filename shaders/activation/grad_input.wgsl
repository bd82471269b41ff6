// activation.grad_input: grad_input = activate_grad(input, grad_output)
//
// Buffers      input, grad_output, grad_input [len], as `elem`
// Who          one invocation per elem; the grid covers len
// Numerics     those of the activation (activation/<name>.wgsl)
//
// needs: activate_grad, elem, stored
// gives: each(i: u32)

var<storage, read> input: array<stored>;
var<storage, read> grad_output: array<stored>;
var<storage, read_write> grad_input: array<stored>;

fn each(i: u32) {
    grad_input[i] = stored(activate_grad(elem(input[i]), elem(grad_output[i])));
}
