// loss_scale.check: overflow = 1 if any element of gradient is infinite or NaN
//
// Buffers      gradient [len] as `index`, the bits of f32 (u32, or vec4<u32> if len is a multiple of 4); overflow [1]
// Who          one invocation per elem; the grid covers len
// Numerics     tests the bits: compilers may assume that x != x is false. All writers write the same value, so their order
//              does not matter
// Where        memory-bound: 4 bytes per element
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
