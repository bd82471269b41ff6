// roofline, memory: output = input
//
// Buffers      input, output [LEN], as vec4<f32>
// Who          PARTS vectors per invocation, STRIDE apart: adjacent, or a workgroup apart so that neighbouring invocations
//              read adjacent vectors; the grid covers LEN, a multiple of a workgroup's copy
// Numerics     exact
// Where        not a kernel: a probe of an adapter's peak memory bandwidth
//
// needs: LEN, PARTS, STRIDE, WORKGROUP, grid_index

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let group = grid_index(workgroup, workgroups) * PARTS * WORKGROUP;
    let first = group + select(local * PARTS, local, STRIDE == WORKGROUP);
    if first >= LEN {
        return;
    }
    for (var part = 0u; part < PARTS; part++) {
        output[first + part * STRIDE] = input[first + part * STRIDE];
    }
}
