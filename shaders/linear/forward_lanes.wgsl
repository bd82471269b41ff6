// linear.forward, lanes: output[n, FIRST + o] = bias[o] + sum over i of input[n, i] weight[o, i]
//
// Buffers      input [IMAGES, IN], weight [OUT, IN] as `part` (vec4 along IN, or one value where IN is not a multiple of 4);
//              bias [OUT] and output [IMAGES, TOTAL], of which the columns FIRST .. FIRST + OUT are written, as `columns`
//              (WIDTH features): OUT is a multiple of LANES V WIDTH, FIRST and TOTAL of WIDTH
// Who          one subgroup per ROWS images and LANES V WIDTH features, see shared/lanes.wgsl; a lane's weights are transposed
//              from parts along IN to columns along OUT in registers; the grid covers the images / ROWS, fastest, times
//              the blocks of features
// Numerics     each result is summed in order by one subgroup
// Where        software adapters with subgroups of a known size
//
// needs: BLOCKED, FIRST, IMAGES, IN, LANES, PART, ROWS, Rows, Sums, TOTAL, V, WIDTH, Weights, columns
// needs: multiply_add, stored_columns, stored_part, widen
// gives: run(unit: u32, lane: u32)

var<storage, read> input: array<stored_part>;
var<storage, read> weight: array<stored_part>;
var<storage, read> bias: array<columns>;
var<storage, read_write> output: array<stored_columns>;

const PARTS: u32 = IN / PART;
const BLOCKS: u32 = (IMAGES + ROWS - 1u) / ROWS;

fn run(unit: u32, lane: u32) {
    let image = unit % BLOCKS * ROWS;
    let o = (unit / BLOCKS * LANES + lane) * V;
    var sums: Sums;
    for (var row = 0u; row < ROWS; row++) {
        for (var v = 0u; v < V; v++) {
            sums[row][v] = bias[o + v];
        }
    }
    for (var i = 0u; i < PARTS; i++) {
        var x: Rows;
        for (var b = 0u; b < BLOCKED; b++) {
            let n = image + b * LANES + lane;
            if n < IMAGES {
                x[b] = widen(input[n * PARTS + i]);
            }
        }
        var w: Weights;
        for (var v = 0u; v < V; v++) {
            for (var j = 0u; j < WIDTH; j++) {
                let along = widen(weight[((o + v) * WIDTH + j) * PARTS + i]);
                for (var p = 0u; p < PART; p++) {
                    w[p][v][j] = along[p];
                }
            }
        }
        multiply_add(&sums, &x, &w);
    }
    for (var row = 0u; row < ROWS; row++) {
        if image + row < IMAGES {
            for (var v = 0u; v < V; v++) {
                output[((image + row) * TOTAL + FIRST) / WIDTH + o + v] = stored_columns(sums[row][v]);
            }
        }
    }
}
