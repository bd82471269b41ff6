// quantized.linear, tiled: M images, QUADS of outputs, K words of inputs
//
// Buffers      input [M, 4 K] bytes, four in a u32; quantized/sums.wgsl and quantized/requantize.wgsl or quantized/logits.wgsl declare
//              the others
// Who          see quantized/tiled.wgsl
//
// needs: K, signed_bytes
// gives: input
// gives: load(row: u32, k: u32) -> u32

var<storage, read> input: array<u32>;

fn load(row: u32, k: u32) -> u32 {
    return signed_bytes(input[row * K + k]);
}
