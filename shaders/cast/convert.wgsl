// cast.convert: output = input in another type
//
// Buffers      input [len] as `source`, output [len] as `stored`: f32 and f16 or the other way, or vec4 of them where len is
//              a multiple of 4
// Who          one invocation per element or vec4; the grid covers len
// Numerics     one rounding to f16: to nearest on devices that do so, which WGSL does not guarantee; values beyond 65,504
//              become infinite
// Where        memory-bound: 6 bytes per element
//
// needs: source, stored
// gives: each(i: u32)

var<storage, read> input: array<source>;
var<storage, read_write> output: array<stored>;

fn each(i: u32) {
    output[i] = stored(input[i]);
}
