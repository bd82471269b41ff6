// prepare.images: bytes -> rotate and translate -> bilinear resize -> normalise, in one pass
//
// An output pixel (oy, ox) lies at x = clamp((ox + 0.5) W / OW - 0.5, 0, W - 1) of the source, likewise y. The image's
// transform [a, b, tx, c, d, ty] maps it to (a x + b y + tx, c x + d y + ty), where four neighbours are interpolated;
// neighbours outside the image are 0, or with REFLECT mirrored at its first or last pixel. output = (value / 255 - mean) / std.
//
// Buffers      images [N, H, W, C] bytes, four in a u32, lowest first; transforms [N, 6]; output [N, OH, OW, C]
// Who          one invocation per output pixel, all its channels; the grid covers N OH OW
// Numerics     f32; with the identity transform this is PyTorch's interpolate(bilinear, align_corners = false)
//
// needs: C, H, MEAN, OH, OW, REFLECT, STD, W, stored
// gives: each(i: u32)

var<storage, read> images: array<u32>;
var<storage, read> transforms: array<f32>;
var<storage, read_write> output: array<stored>;

// A coordinate outside the image mirrored into it.
fn mirrored(at: i32, last: i32) -> i32 {
    return clamp(select(abs(at), 2 * last - at, at > last), 0, last);
}

// A source pixel in units of 0 to 1.
fn pixel(n: u32, row: i32, column: i32, c: u32) -> f32 {
    let y = select(row, mirrored(row, i32(H) - 1), REFLECT);
    let x = select(column, mirrored(column, i32(W) - 1), REFLECT);
    if y < 0 || x < 0 || y >= i32(H) || x >= i32(W) {
        return 0.0;
    }
    let i = ((n * H + u32(y)) * W + u32(x)) * C + c;
    return f32((images[i / 4u] >> (i % 4u * 8u)) & 255u) / 255.0;
}

fn each(i: u32) {
    let ox = f32(i % OW);
    let oy = f32(i / OW % OH);
    let n = i / (OW * OH);
    let x = clamp((ox + 0.5) * f32(W) / f32(OW) - 0.5, 0.0, f32(W - 1u));
    let y = clamp((oy + 0.5) * f32(H) / f32(OH) - 0.5, 0.0, f32(H - 1u));
    let t = n * 6u;
    let sx = transforms[t] * x + transforms[t + 1u] * y + transforms[t + 2u];
    let sy = transforms[t + 3u] * x + transforms[t + 4u] * y + transforms[t + 5u];
    // Everything farther outside has the same value; the clamp keeps the conversion to integers defined.
    let left = clamp(floor(sx), select(-2.0, -f32(W), REFLECT), select(1.0, 2.0, REFLECT) * f32(W));
    let top = clamp(floor(sy), select(-2.0, -f32(H), REFLECT), select(1.0, 2.0, REFLECT) * f32(H));
    let fx = clamp(sx - left, 0.0, 1.0);
    let fy = clamp(sy - top, 0.0, 1.0);
    let x0 = i32(left);
    let y0 = i32(top);
    for (var c = 0u; c < C; c++) {
        let upper = mix(pixel(n, y0, x0, c), pixel(n, y0, x0 + 1, c), fx);
        let lower = mix(pixel(n, y0 + 1, x0, c), pixel(n, y0 + 1, x0 + 1, c), fx);
        output[i * C + c] = stored((mix(upper, lower, fy) - MEAN[c]) / STD[c]);
    }
}
