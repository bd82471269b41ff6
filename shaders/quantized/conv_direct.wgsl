// quantized.conv, direct: output[n, h, w, k] = requantize(bias[k] + sum over r, s, c of (input[n, h + r - 1, w + s - 1, c] - ZERO) weight[k, r, s, c])
//
// Buffers      input [N, H, W, 4 C] bytes, four in a u32; quantized/sums.wgsl and quantized/requantize.wgsl declare the others
// Who          one invocation per pixel and four output channels; the grid covers N H W OUT / 4
// Numerics     exact
// Where        few rows, of which a tile would be mostly empty
//
// needs: C, OUT, OUTSIDE, ZEROS, begin, neighbour, products, signed_bytes, store, weight
// gives: each(i: u32)

var<storage, read> input: array<u32>;

fn each(i: u32) {
    let quad = i % (OUT / 4u);
    let pixel = i / (OUT / 4u);
    let first = quad / 4u * (9u * C * 4u) + quad % 4u;
    var sums = begin(quad);
    for (var tap = 0u; tap < 9u; tap++) {
        let read = neighbour(pixel, tap / 3u, tap % 3u);
        for (var c = 0u; c < C; c++) {
            var a = ZEROS;
            if read != OUTSIDE {
                a = signed_bytes(input[read * C + c]);
            }
            sums += products(a, weight[first + (tap * C + c) * 4u]);
        }
    }
    store(pixel, quad, sums);
}
