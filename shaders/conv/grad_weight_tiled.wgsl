// conv.grad_weight, tiled:
//   grad_weight[r, s, c, k] = sum over n, h, w of input[n, h + r - 1, w + s - 1, c] grad_output[n, h, w, k]
//
// Implicit GEMM: M = 9 IN, N = OUT, K = N H W pixels. K is long and the result small, so K is split.
//
// Buffers      input [IMAGES, H, W, IN]; grad_output [IMAGES, H, W, OUT]; conv/grad_weight_keep.wgsl has the result
// Who          see shared/matmul_tiled.wgsl; shared/merge_splits.wgsl adds the splits in order

@group(0) @binding(0) var<storage, read> input: array<word>;
@group(0) @binding(1) var<storage, read> grad_output: array<word>;

fn load_a(row: u32, k: u32) -> f32 {
    let tap = row / IN;
    let h = k / W % H + tap / 3u;
    let w = k % W + tap % 3u;
    // h and w are shifted by one: 0 is the padding above, H + 1 the padding below.
    if row >= M || k >= K || h == 0u || h > H || w == 0u || w > W {
        return 0.0;
    }
    let image = k / (W * H);
    return f32(input[((image * H + h - 1u) * W + w - 1u) * IN + row % IN]);
}

fn load_b(k: u32, column: u32) -> f32 {
    if k >= K || column >= N {
        return 0.0;
    }
    return f32(grad_output[k * N + column]);
}
