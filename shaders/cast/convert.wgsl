// cast.convert: output = input in another type
//
// Buffers      input [len] as `source`, output [len] as `stored`: f32 and f16 or the other way, or vec4 of them where len is
//              a multiple of 4
// Who          one invocation an element or vec4; the grid covers len
// Numerics     to f16 one rounding: to the nearest where the device does so, which WGSL does not promise; beyond 65,504
//              infinite
// Where        memory-bound: 6 bytes an element
//
// needs: LEN, WORKGROUP, grid_index, source, stored

@group(0) @binding(0) var<storage, read> input: array<source>;
@group(0) @binding(1) var<storage, read_write> output: array<stored>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = grid_index(workgroup, workgroups) * WORKGROUP + local;
    if i < LEN {
        output[i] = stored(input[i]);
    }
}
