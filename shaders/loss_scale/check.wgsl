// loss_scale.check: overflow = 1 if any element of gradient is infinite or NaN
//
// Buffers      gradient [len] as `index`, the bits of f32 (u32, or vec4<u32> if len is a multiple of 4); overflow [1]
// Who          one invocation per elem; the grid covers len
// Numerics     tests the bits: compilers may assume that x != x is false. All writers write the same value, so their order
//              does not matter
// Where        memory-bound: 4 bytes per element
//
// needs: index
// gives: each(i: u32)

var<storage, read> gradient: array<index>;
var<storage, read_write> overflow: array<atomic<u32>>;

const EXPONENT: u32 = 0x7f800000u;

fn each(i: u32) {
    if i >= arrayLength(&gradient) {
        return;
    }
    if any((gradient[i] & index(EXPONENT)) == index(EXPONENT)) {
        atomicStore(&overflow[0], 1u);
    }
}
