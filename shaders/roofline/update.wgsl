// roofline, memory: output = -output, in place
//
// A CPU's cache reads a line before writing to it, so a copy moves three bytes for every two that count. An in-place update,
// like an optimiser's, does not have this overhead.
//
// Buffers      output [LEN], as vec4<f32>
// Who          one vector per invocation; the grid covers LEN
// Numerics     exact
// Where        not a kernel, as roofline/copy.wgsl
//
// needs: LEN, WORKGROUP, grid_index

@group(0) @binding(0) var<storage, read_write> output: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = grid_index(workgroup, workgroups) * WORKGROUP + local;
    if i < LEN {
        output[i] = -output[i];
    }
}
