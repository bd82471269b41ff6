// roofline, memory: output = input
//
// Buffers      input, output [LEN], as vec4<f32>
// Who          four vectors an invocation, WORKGROUP apart, so that neighbours read neighbours; the grid covers LEN
// Numerics     exact
// Where        no kernel: what an adapter's memory reaches, to measure kernels by

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let first = grid_index(workgroup, workgroups) * 4u * WORKGROUP + local;
    // LEN is a multiple of what a workgroup copies.
    if first >= LEN {
        return;
    }
    for (var part = 0u; part < 4u; part++) {
        output[first + part * WORKGROUP] = input[first + part * WORKGROUP];
    }
}
