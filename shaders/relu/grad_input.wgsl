// relu.grad_input: grad_input = grad_output where input > 0, AT_ZERO * grad_output where input == 0, else 0
//
// Buffers      input, grad_output, grad_input [len], as `elem`
// Who          one invocation an elem; the grid covers len
// Numerics     exact; where input is NaN the gradient is 0
// Source       the paper's torch.max(x, 0) gives ties half the gradient (AT_ZERO = 0.5); PyTorch's ReLU 0
//
// needs: AT_ZERO, LEN, WORKGROUP, elem, grid_index, stored

@group(0) @binding(0) var<storage, read> input: array<stored>;
@group(0) @binding(1) var<storage, read> grad_output: array<stored>;
@group(0) @binding(2) var<storage, read_write> grad_input: array<stored>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = grid_index(workgroup, workgroups) * WORKGROUP + local;
    if i >= LEN {
        return;
    }
    let x = elem(input[i]);
    let g = elem(grad_output[i]);
    let not_above = select(elem(0.0), AT_ZERO * g, x == elem(0.0));
    grad_input[i] = stored(select(not_above, g, x > elem(0.0)));
}
