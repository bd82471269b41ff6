// linear.grad_weight, lanes: grad_weight[o, i] = sum over n of grad_output[n, FIRST + o] input[n, i]
//
// Buffers      grad_output [IMAGES, TOTAL] as `part` (vec4, or one value where OUT, FIRST or TOTAL is not a multiple of 4);
//              input [IMAGES, IN] as `columns` (WIDTH inputs): IN is a multiple of LANES V WIDTH;
//              linear/grad_weight_store.wgsl or linear/update_store.wgsl declares the result [OUT, IN]
// Who          one subgroup per ROW_LANES PART features and LANES V WIDTH inputs: a lane loads the gradient of its own part
//              and its own columns of the input, and the gradients are broadcast across the lanes; the grid covers the blocks
//              of inputs, fastest, times those of features
// Numerics     four images are added first, then to the sum
// Where        software adapters with subgroups of a known size; with few images the stores dominate
//
// needs: FIRST, IMAGES, IN, LANES, Left, OUT, PART, ROW_LANES, Right, STEP, Sums, TOTAL, V, WIDTH, columns, multiply_add, ready
// needs: store, stored_columns, stored_part, widen
// gives: PARTS
// gives: run(unit: u32, lane: u32)

var<storage, read> input: array<stored_columns>;
var<storage, read> grad_output: array<stored_part>;

const PARTS: u32 = OUT / PART;
const STRIDE: u32 = IN / WIDTH;
const IN_BLOCKS: u32 = STRIDE / (LANES * V);

fn run(unit: u32, lane: u32) {
    ready();
    let i = (unit % IN_BLOCKS * LANES + lane) * V;
    let o = unit / IN_BLOCKS * ROW_LANES;
    let mine = o + lane < PARTS && lane < ROW_LANES;
    var sums: Sums;
    for (var n = 0u; n < IMAGES; n += STEP) {
        var g: Left;
        var x: Right;
        for (var p = 0u; p < STEP; p++) {
            if n + p < IMAGES {
                if mine {
                    g[p] = widen(grad_output[((n + p) * TOTAL + FIRST) / PART + o + lane]);
                }
                for (var v = 0u; v < V; v++) {
                    x[p][v] = columns(input[(n + p) * STRIDE + i + v]);
                }
            }
        }
        multiply_add(&sums, &g, &x);
    }
    for (var row = 0u; row < ROW_LANES; row++) {
        if o + row < PARTS {
            for (var j = 0u; j < PART; j++) {
                for (var v = 0u; v < V; v++) {
                    store(((o + row) * PART + j) * STRIDE + i + v, sums[row][j][v]);
                }
            }
        }
    }
}
