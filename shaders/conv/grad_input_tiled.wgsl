// conv.grad_input, tiled:
//   grad_input[n, h, w, c] = sum over r, s, k of grad_output[n, h + 1 - r, w + 1 - s, k] weight[r, s, c, k]
//
// Implicit GEMM: M = N H W pixels, N = IN, K = 9 OUT with the tap outermost.
//
// Buffers      grad_output [IMAGES, H, W, OUT]; weight [3, 3, IN, OUT]; conv/grad_input_keep.wgsl has the result
// Who          see shared/matmul_tiled.wgsl

@group(0) @binding(0) var<storage, read> grad_output: array<word>;
@group(0) @binding(1) var<storage, read> weight: array<word>;

fn load_a(row: u32, k: u32) -> f32 {
    let tap = k / OUT;
    let h = row / W % H + 2u - tap / 3u;
    let w = row % W + 2u - tap % 3u;
    // h and w are shifted by one: 0 is the padding above, H + 1 the padding below.
    if row >= M || k >= K || h == 0u || h > H || w == 0u || w > W {
        return 0.0;
    }
    let image = row / (W * H);
    return f32(grad_output[((image * H + h - 1u) * W + w - 1u) * OUT + k % OUT]);
}

fn load_b(k: u32, column: u32) -> f32 {
    if k >= K || column >= N {
        return 0.0;
    }
    return f32(weight[(k / OUT * N + column) * OUT + k % OUT]);
}
