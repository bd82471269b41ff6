// activation.grad_input: grad_input = activate_grad(input, grad_output)
//
// Buffers      input, grad_output, grad_input [len], as `elem`
// Who          one invocation per elem; the grid covers len
// Numerics     those of the activation (activation/<name>.wgsl)
//
// needs: LEN, WORKGROUP, activate_grad, elem, grid_index, stored

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
    grad_input[i] = stored(activate_grad(elem(input[i]), elem(grad_output[i])));
}
