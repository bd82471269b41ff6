// activation.forward: output = activate(input)
//
// Buffers      input, output [len], as `elem` (f32, or vec4<f32> where len is a multiple of 4)
// Who          one invocation per elem; the grid covers len
// Numerics     those of the activation (activation/<name>.wgsl); NaN stays NaN
// Where        memory-bound; after batch norm, kernels apply it in their prologue instead
//
// needs: LEN, WORKGROUP, activate, elem, grid_index, stored

@group(0) @binding(0) var<storage, read> input: array<stored>;
@group(0) @binding(1) var<storage, read_write> output: array<stored>;

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
    output[i] = stored(activate(elem(input[i])));
}
