// Winograd, products, tiled: product[split, p, row, column] = sum over the split's k of left[p, row, k] right[p, k, column]
//
// Buffers      left [BATCHES, M, K], or [BATCHES, K, M] where A_ALONG_K is false; right [BATCHES, K, N];
//              product [SPLITS, BATCHES, M, N], with ACCUMULATE added to; all as vec4 along the last, which is a multiple of 4
// Who          see shared/matmul_tiled.wgsl
// Where        hardware GPUs
//
// needs: ACCUMULATE, A_ALONG_K, K, M, N, SLAB, TILE_M, TILE_N, batch
// gives: left, right, product
// gives: a(row: u32, k: u32) -> vec4<f32>
// gives: b(k: u32, column: u32) -> vec4<f32>
// gives: store(i: u32, sum: vec4<f32>)

var<storage, read> left: array<vec4<f32>>;
var<storage, read> right: array<vec4<f32>>;
var<storage, read_write> product: array<vec4<f32>>;

fn a(row: u32, k: u32) -> vec4<f32> {
    if (M % TILE_M != 0u && row >= M) || (K % SLAB != 0u && k >= K) {
        return vec4(0.0);
    }
    return left[select((batch * K + k) * (M / 4u) + row / 4u, (batch * M + row) * (K / 4u) + k / 4u, A_ALONG_K)];
}

fn b(k: u32, column: u32) -> vec4<f32> {
    if (K % SLAB != 0u && k >= K) || (N % TILE_N != 0u && column >= N) {
        return vec4(0.0);
    }
    return right[(batch * K + k) * (N / 4u) + column / 4u];
}

fn store(i: u32, sum: vec4<f32>) {
    if ACCUMULATE {
        product[i] += sum;
    } else {
        product[i] = sum;
    }
}
