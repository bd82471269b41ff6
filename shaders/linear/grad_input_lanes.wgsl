// linear.grad_input, lanes: grad_input[n, i] = sum over o of grad_output[n, FIRST + o] weight[o, i]
//
// Buffers      grad_output [IMAGES, TOTAL] as `part` (vec4, or one value where OUT, FIRST or TOTAL is not a multiple of 4);
//              weight [OUT, IN] and grad_input [IMAGES, IN], accumulated into if ACCUMULATE is set, as `columns`
//              (WIDTH inputs): IN is a multiple of LANES V WIDTH
// Who          one subgroup per ROWS images and LANES V WIDTH inputs, see shared/lanes.wgsl; the grid covers the images /
//              ROWS, fastest, times the blocks of inputs
// Numerics     each result is summed in order by one subgroup
// Where        software adapters with subgroups of a known size
//
// needs: ACCUMULATE, BLOCKED, FIRST, IMAGES, IN, LANES, OUT, PART, ROWS, Rows, Sums, TOTAL, V, WIDTH, Weights
// needs: columns, multiply_add, stored_columns, stored_part, widen
// gives: run(unit: u32, lane: u32)

var<storage, read> grad_output: array<stored_part>;
var<storage, read> weight: array<stored_columns>;
var<storage, read_write> grad_input: array<stored_columns>;

const STRIDE: u32 = IN / WIDTH;
const BLOCKS: u32 = (IMAGES + ROWS - 1u) / ROWS;

fn run(unit: u32, lane: u32) {
    let image = unit % BLOCKS * ROWS;
    let i = (unit / BLOCKS * LANES + lane) * V;
    var sums: Sums;
    for (var o = 0u; o < OUT / PART; o++) {
        var x: Rows;
        for (var b = 0u; b < BLOCKED; b++) {
            let n = image + b * LANES + lane;
            if n < IMAGES {
                x[b] = widen(grad_output[(n * TOTAL + FIRST) / PART + o]);
            }
        }
        var w: Weights;
        // Rows innermost: their cache lines differ, so that the misses overlap.
        for (var v = 0u; v < V; v++) {
            for (var p = 0u; p < PART; p++) {
                w[p][v] = columns(weight[(o * PART + p) * STRIDE + i + v]);
            }
        }
        multiply_add(&sums, &x, &w);
    }
    for (var row = 0u; row < ROWS; row++) {
        if image + row < IMAGES {
            for (var v = 0u; v < V; v++) {
                let at = (image + row) * STRIDE + i + v;
                if ACCUMULATE {
                    grad_input[at] = stored_columns(columns(grad_input[at]) + sums[row][v]);
                } else {
                    grad_input[at] = stored_columns(sums[row][v]);
                }
            }
        }
    }
}
