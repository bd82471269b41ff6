// A matrix product, tile by tile through workgroup memory: store(row, column) = sum over k of a(row, k) * b(k, column)
//
// The files in front of this one declare the buffers and say what the matrices are: load_a(row, k), load_b(k, column)
// and store(row, column, split, value); load_a and load_b give 0 beyond the edges. M, N, K are the extents; SPLITS parts
// of K are worked by different workgroups, and store gets the number of the part. A_ALONG_K and B_ALONG_K say whether
// neighbours in memory are neighbours in k, so that neighbouring invocations load neighbouring words.
//
// Who          one workgroup of 16x16 a TILE x TILE tile of the result, 4x4 results an invocation; slabs of SLAB along k
//              pass through workgroup memory; the grid covers the tiles times SPLITS
// Numerics     each result is summed in order of k by one invocation
// Where        hardware GPUs, any extents; software adapters want the blocked kernels

const TILE: u32 = 64u;
const SLAB: u32 = 16u;
const TILES_M: u32 = (M + TILE - 1u) / TILE;
const TILES_N: u32 = (N + TILE - 1u) / TILE;
// Each part of K is a whole number of slabs.
const PART: u32 = (K + SPLITS * SLAB - 1u) / (SPLITS * SLAB) * SLAB;

// A row of a slab in vec4, one more than the tile's: so that stores along k spread over the banks.
const PITCH: u32 = TILE / 4u + 1u;

var<workgroup> slab_a: array<vec4<f32>, SLAB * PITCH>;
var<workgroup> slab_b: array<vec4<f32>, SLAB * PITCH>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let group = grid_index(workgroup, workgroups);
    if group >= TILES_M * TILES_N * SPLITS {
        return;
    }
    let row0 = group / TILES_N % TILES_M * TILE;
    let column0 = group % TILES_N * TILE;
    let split = group / (TILES_M * TILES_N);
    let my_row = local / 16u * 4u;
    let my_column = local % 16u * 4u;
    let end = min(split * PART + PART, K);
    var sums: array<vec4<f32>, 4>;
    for (var k0 = split * PART; k0 < end; k0 += SLAB) {
        for (var i = local; i < SLAB * TILE; i += 256u) {
            let ka = select(i / TILE, i % SLAB, A_ALONG_K);
            let ra = select(i % TILE, i / SLAB, A_ALONG_K);
            slab_a[ka * PITCH + ra / 4u][ra % 4u] = load_a(row0 + ra, k0 + ka);
            let kb = select(i / TILE, i % SLAB, B_ALONG_K);
            let cb = select(i % TILE, i / SLAB, B_ALONG_K);
            slab_b[kb * PITCH + cb / 4u][cb % 4u] = load_b(k0 + kb, column0 + cb);
        }
        workgroupBarrier();
        for (var k = 0u; k < SLAB; k++) {
            let a = slab_a[k * PITCH + local / 16u];
            let b = slab_b[k * PITCH + local % 16u];
            sums[0] += a.x * b;
            sums[1] += a.y * b;
            sums[2] += a.z * b;
            sums[3] += a.w * b;
        }
        workgroupBarrier();
    }
    for (var r = 0u; r < 4u; r++) {
        for (var c = 0u; c < 4u; c++) {
            if row0 + my_row + r < M && column0 + my_column + c < N {
                store(row0 + my_row + r, column0 + my_column + c, split, sums[r][c]);
            }
        }
    }
}
