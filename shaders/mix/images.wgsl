// mix.images: random erasing, cutout, mixup and CutMix of prepared images
//
// output[n] = share * erased(n) + (1 - share) * erased(n - 1), where n - 1 of the first image is the last; erased(n) is 0 in the image's
// erased rectangle, and share is 0 in its swapped rectangle.
//
// Buffers      images, output [N, H, W, C]; mixes [N, MIX]: erased and swapped (top, left, bottom, right in pixels, ends excluded),
//              share, target
// Who          one invocation per pixel, all its channels; the grid covers N H W
// Numerics     f32, rounded once to the type of the output; exact where share is 1
//
// needs: C, H, MIX, N, W, stored
// gives: each(i: u32)

var<storage, read> images: array<stored>;
var<storage, read> mixes: array<f32>;
var<storage, read_write> output: array<stored>;

// Whether (y, x) lies in the rectangle that begins at mixes[at].
fn inside(at: u32, y: f32, x: f32) -> bool {
    return y >= mixes[at] && x >= mixes[at + 1u] && y < mixes[at + 2u] && x < mixes[at + 3u];
}

fn each(i: u32) {
    let n = i / (W * H);
    let y = f32(i / W % H);
    let x = f32(i % W);
    let before = select(n - 1u, N - 1u, n == 0u);
    let j = i % (W * H) + before * (W * H);
    let own = select(1.0, 0.0, inside(n * MIX, y, x));
    let other = select(1.0, 0.0, inside(before * MIX, y, x));
    let share = select(mixes[n * MIX + 8u], 0.0, inside(n * MIX + 4u, y, x));
    for (var c = 0u; c < C; c++) {
        output[i * C + c] = stored(share * own * f32(images[i * C + c]) + (1.0 - share) * other * f32(images[j * C + c]));
    }
}
