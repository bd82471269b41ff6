// conv.forward, cooperative: output[n, h, w, k] = bias[k] + sum over r, s, c of input[n, h + r - 1, w + s - 1, c] weight[r, s, c, k]
//
// Implicit GEMM: M = N H W pixels, N = OUT, K = 9 IN with the tap outermost. im2col is never materialised.
//
// Buffers      input [IMAGES, H, W, IN], read as shared/read_*.wgsl says, and weight [3, 3, IN, OUT] as vec4<f16> along the
//              channels: IN and OUT are multiples of 4; conv/forward_keep.wgsl has the others
// Who          see shared/matmul_cooperative.wgsl
// Numerics     what batch norm and ReLU give is rounded to f16 on its way into the slab
// Where        GPUs with matrix units; conv.forward/tiled takes the layers with other channels

@group(0) @binding(0) var<storage, read> input: array<stored>;
@group(0) @binding(1) var<storage, read> weight: array<stored>;

fn load_a(row: u32, k: u32) -> stored {
    let tap = k / IN;
    let h = row / W % H + tap / 3u;
    let w = row % W + tap % 3u;
    // h and w are shifted by one: 0 is the padding above, H + 1 the padding below.
    if row >= M || h == 0u || h > H || w == 0u || w > W {
        return stored();
    }
    let c = k % IN / 4u;
    let pixel = (row / (W * H) * H + h - 1u) * W + w - 1u;
    return stored(activated(elem(input[pixel * (IN / 4u) + c]), activation(c)));
}

fn load_b(k: u32, column: u32) -> stored {
    if column >= N {
        return stored();
    }
    return weight[(k * N + column) / 4u];
}
