// conv.forward, tiled: output[n, h, w, k] = bias[k] + sum over r, s, c of input[n, h + r - 1, w + s - 1, c] weight[r, s, c, k]
//
// Implicit GEMM: M = N H W pixels, N = OUT, K = 9 IN with the tap outermost. im2col is never materialised.
//
// Buffers      input [IMAGES, H, W, IN]; weight [3, 3, IN, OUT]; conv/forward_keep.wgsl has the others
// Who          see shared/matmul_tiled.wgsl
// Where        any number of channels, the first layer's single one included

@group(0) @binding(0) var<storage, read> input: array<word>;
@group(0) @binding(1) var<storage, read> weight: array<word>;

fn load_a(row: u32, k: u32) -> f32 {
    let tap = k / IN;
    let h = row / W % H + tap / 3u;
    let w = row % W + tap % 3u;
    // h and w are shifted by one: 0 is the padding above, H + 1 the padding below.
    if row >= M || k >= K || h == 0u || h > H || w == 0u || w > W {
        return 0.0;
    }
    let image = row / (W * H);
    return f32(input[((image * H + h - 1u) * W + w - 1u) * IN + k % IN]);
}

fn load_b(k: u32, column: u32) -> f32 {
    if k >= K || column >= N {
        return 0.0;
    }
    return f32(weight[k * N + column]);
}
