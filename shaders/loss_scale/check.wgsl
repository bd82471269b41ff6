// loss_scale.check: overflow = 1 where an element of gradient is infinite or not a number
//
// Buffers      gradient [len] as `index`, the bits of f32 (u32, or vec4<u32> where len is a multiple of 4); overflow [1]
// Who          one invocation an elem; the grid covers len
// Numerics     by the bits: compilers may take x != x for false. All that write write the same, so that their order does
//              not matter
// Where        memory-bound: 4 bytes an element
//
// needs: WORKGROUP, grid_index, index

@group(0) @binding(0) var<storage, read> gradient: array<index>;
@group(0) @binding(1) var<storage, read_write> overflow: array<atomic<u32>>;

const EXPONENT: u32 = 0x7f800000u;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = grid_index(workgroup, workgroups) * WORKGROUP + local;
    if i >= arrayLength(&gradient) {
        return;
    }
    if any((gradient[i] & index(EXPONENT)) == index(EXPONENT)) {
        atomicStore(&overflow[0], 1u);
    }
}
