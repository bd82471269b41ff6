// Winograd, products, lanes: product[p, row, column] = sum over k of left[p, row, k] right[p, k, column]
//
// Buffers      left [PRODUCTS, M, K] as `part`, a vec4 along K; right [PRODUCTS, K, N] and product [PRODUCTS, M, N] as
//              `columns` (WIDTH of them): N is a multiple of LANES V WIDTH
// Who          one subgroup per ROWS rows and LANES V WIDTH columns of one product, see shared/lanes.wgsl; the grid covers
//              the blocks of rows, which vary fastest so that a panel of the right side stays in the cache, times the
//              blocks of columns, times the products; no workgroup memory, no barriers
// Numerics     each result is summed in a fixed order
// Where        software adapters with subgroups of a known size
//
// needs: BLOCKED, K, LANES, M, N, PART, ROWS, Rows, Sums, V, WIDTH, Weights, columns, multiply_add, part
// gives: run(unit: u32, lane: u32)

var<storage, read> left: array<part>;
var<storage, read> right: array<columns>;
var<storage, read_write> product: array<columns>;

const PARTS: u32 = K / PART;
const STRIDE: u32 = N / WIDTH;
const BLOCKS: u32 = (M + ROWS - 1u) / ROWS;
const COLUMN_BLOCKS: u32 = STRIDE / (LANES * V);

fn run(unit: u32, lane: u32) {
    let row0 = unit % BLOCKS * ROWS;
    let column = (unit / BLOCKS % COLUMN_BLOCKS * LANES + lane) * V;
    let p = unit / (BLOCKS * COLUMN_BLOCKS);
    var base: array<u32, BLOCKED>;
    for (var b = 0u; b < BLOCKED; b++) {
        // Rows beyond the last repeat it; their sums are dropped.
        base[b] = (p * M + min(row0 + b * LANES + lane, M - 1u)) * PARTS;
    }
    var sums: Sums;
    var at = p * K * STRIDE + column;
    for (var k = 0u; k < PARTS; k++) {
        var x: Rows;
        for (var b = 0u; b < BLOCKED; b++) {
            x[b] = left[base[b] + k];
        }
        var w: Weights;
        // Rows innermost: their cache lines differ, so that the misses overlap.
        for (var v = 0u; v < V; v++) {
            for (var i = 0u; i < PART; i++) {
                w[i][v] = right[at + i * STRIDE + v];
            }
        }
        multiply_add(&sums, &x, &w);
        at += PART * STRIDE;
    }
    for (var row = 0u; row < ROWS; row++) {
        if row0 + row < M {
            for (var v = 0u; v < V; v++) {
                product[(p * M + row0 + row) * STRIDE + column + v] = sums[row][v];
            }
        }
    }
}
