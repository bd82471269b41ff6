// Winograd, products of the weights' gradient, lanes:
//   product[split, p, row, column] = sum over the split's k of left[p, k, row] right[p, k, column]
//
// Buffers      left [PRODUCTS, K, M] as `part`, a vec4 along M; right [PRODUCTS, K, N] and product [SPLITS, PRODUCTS, M, N]
//              as `columns` (WIDTH of them): N is a multiple of LANES V WIDTH
// Who          one subgroup per ROW_LANES PART rows and LANES V WIDTH columns of one product and split: a lane loads the left
//              side of its own part and the right side of its own columns, and the left sides are broadcast across the lanes;
//              the grid covers the blocks of columns (fastest), of rows, the products and the splits
// Numerics     four terms are added first, then to the sum; terms in order; ACCUMULATE adds the sum to product
// Where        software adapters with subgroups of a known size: 12 loads for 8192 multiply-adds
//
// needs: ACCUMULATE, K, LANES, Left, M, N, PART, PRODUCTS, ROW_LANES, Right, SPLITS, STEP, Sums, V, WIDTH
// needs: columns, multiply_add, part
// gives: PARTS
// gives: run(unit: u32, lane: u32)

var<storage, read> left: array<part>;
var<storage, read> right: array<columns>;
var<storage, read_write> product: array<columns>;

const SPLIT: u32 = (K + SPLITS - 1u) / SPLITS;
const PARTS: u32 = M / PART;
const STRIDE: u32 = N / WIDTH;
const ROW_BLOCKS: u32 = (PARTS + ROW_LANES - 1u) / ROW_LANES;
const COLUMN_BLOCKS: u32 = STRIDE / (LANES * V);

fn run(unit: u32, lane: u32) {
    let column = (unit % COLUMN_BLOCKS * LANES + lane) * V;
    let row0 = unit / COLUMN_BLOCKS % ROW_BLOCKS * ROW_LANES;
    let p = unit / (COLUMN_BLOCKS * ROW_BLOCKS) % PRODUCTS;
    let split = unit / (COLUMN_BLOCKS * ROW_BLOCKS * PRODUCTS);
    let mine = row0 + lane < PARTS && lane < ROW_LANES;
    let end = min(split * SPLIT + SPLIT, K);
    var sums: Sums;
    for (var k = split * SPLIT; k < end; k += STEP) {
        var x: Left;
        var y: Right;
        for (var i = 0u; i < STEP; i++) {
            if k + i < end {
                if mine {
                    x[i] = left[(p * K + k + i) * PARTS + row0 + lane];
                }
                for (var v = 0u; v < V; v++) {
                    y[i][v] = right[(p * K + k + i) * STRIDE + column + v];
                }
            }
        }
        multiply_add(&sums, &x, &y);
    }
    for (var row = 0u; row < ROW_LANES; row++) {
        if row0 + row < PARTS {
            for (var i = 0u; i < PART; i++) {
                for (var v = 0u; v < V; v++) {
                    let at = ((unit / (COLUMN_BLOCKS * ROW_BLOCKS) * PARTS + row0 + row) * PART + i) * STRIDE + column + v;
                    if ACCUMULATE {
                        product[at] += sums[row][i][v];
                    } else {
                        product[at] = sums[row][i][v];
                    }
                }
            }
        }
    }
}
