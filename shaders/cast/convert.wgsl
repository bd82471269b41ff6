// cast.convert: output = input in another type
//
// Buffers      input [len] as `source`, output [len] as `stored`: f32 and f16 or the other way, or vec4 of them where len is
//              a multiple of 4
// Who          one invocation per element or vec4; the grid covers len
// Numerics     one rounding to f16: to nearest on devices that do so, which WGSL does not guarantee; values beyond 65,504
//              become infinite
// Where        memory-bound: 6 bytes per element
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
