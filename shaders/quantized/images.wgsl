// quantized.images: bytes -> bilinear resize in fixed point -> table of each channel
//
// An output pixel lies at ((2 o + 1) W - OW) / (2 OW), clamped to the image, along each axis; the distance from the pixel before it is
// rounded to 1/2048, and the weighted sum of four bytes to a byte, halves up.
//
// Buffers      images [N, H, W, C] bytes, table [C, 256] bytes, output [N, OH, OW, 4 QUADS] bytes: four in a u32, lowest first
// Who          one invocation per output pixel, all its channels; the grid covers N OH OW
// Numerics     exact: integers only. The padding of channels is 0
//
// needs: C, H, OH, OW, QUADS, W
// gives: each(i: u32)

var<storage, read> images: array<u32>;
var<storage, read> table: array<u32>;
var<storage, read_write> output: array<u32>;

fn pixel(n: u32, y: u32, x: u32, c: u32) -> u32 {
    let i = ((n * H + min(y, H - 1u)) * W + min(x, W - 1u)) * C + c;
    return (images[i / 4u] >> (i % 4u * 8u)) & 255u;
}

// The pixel before output pixel `at`, and 2048 times the distance from it.
fn position(at: u32, side: u32, to: u32) -> vec2<u32> {
    let scaled = (2u * at + 1u) * side;
    let x = min(scaled - min(scaled, to), 2u * to * (side - 1u));
    return vec2(x / (2u * to), (x % (2u * to) * 2048u + to) / (2u * to));
}

fn each(i: u32) {
    let x = position(i % OW, W, OW);
    let y = position(i / OW % OH, H, OH);
    let n = i / (OW * OH);
    for (var quad = 0u; quad < QUADS; quad++) {
        var packed = 0u;
        for (var c = 4u * quad; c < min(4u * quad + 4u, C); c++) {
            let upper = (2048u - x.y) * pixel(n, y.x, x.x, c) + x.y * pixel(n, y.x, x.x + 1u, c);
            let lower = (2048u - x.y) * pixel(n, y.x + 1u, x.x, c) + x.y * pixel(n, y.x + 1u, x.x + 1u, c);
            let value = ((2048u - y.y) * upper + y.y * lower + (1u << 21u)) >> 22u;
            let at = c * 256u + value;
            packed |= ((table[at / 4u] >> (at % 4u * 8u)) & 255u) << (c % 4u * 8u);
        }
        output[i * QUADS + quad] = packed;
    }
}
