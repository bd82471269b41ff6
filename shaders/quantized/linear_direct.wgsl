// quantized.linear, direct: bias[o] + sum over i of (input[n, i] - ZERO) weight[o, i], requantised or as logits
//
// Buffers      input [N, 4 IN] bytes, four in a u32; quantized/sums.wgsl and quantized/requantize.wgsl or quantized/logits.wgsl declare
//              the others
// Who          one invocation per image and four outputs; the grid covers N QUADS
// Numerics     exact
// Where        few rows, of which a tile would be mostly empty
//
// needs: IN, QUADS, begin, products, signed_bytes, store, weight
// gives: each(i: u32)

var<storage, read> input: array<u32>;

fn each(i: u32) {
    let quad = i % QUADS;
    let row = i / QUADS;
    let first = quad / 4u * (IN * 4u) + quad % 4u;
    var sums = begin(quad);
    for (var k = 0u; k < IN; k++) {
        sums += products(signed_bytes(input[row * IN + k]), weight[first + k * 4u]);
    }
    store(row, quad, sums);
}
