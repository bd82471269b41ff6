// quantized.conv, tiled: implicit GEMM over M = N H W pixels, QUADS = OUT / 4 and K = 9 C words with the tap outermost
//
// Buffers      input [N, H, W, 4 C] bytes, four in a u32; quantized/sums.wgsl and quantized/requantize.wgsl declare the others
// Who          see quantized/tiled.wgsl
//
// needs: C, OUTSIDE, ZEROS, neighbour, signed_bytes
// gives: input
// gives: load(row: u32, k: u32) -> u32

var<storage, read> input: array<u32>;

fn load(row: u32, k: u32) -> u32 {
    let tap = k / C;
    let pixel = neighbour(row, tap / 3u, tap % 3u);
    if pixel == OUTSIDE {
        return ZEROS;
    }
    return signed_bytes(input[pixel * C + k % C]);
}
