// relu.forward: output = max(input, 0)
//
// Buffers      input, output [len], as `elem` (f32, or vec4<f32> where len is a multiple of 4)
// Who          one invocation an elem; the grid covers len
// Numerics     exact; NaN stays NaN
// Where        memory-bound; the next step up is to apply it where the next kernel loads
//
// needs: LEN, WORKGROUP, elem, grid_index, stored

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
    let x = elem(input[i]);
    output[i] = stored(select(x, elem(0.0), x < elem(0.0)));
}
