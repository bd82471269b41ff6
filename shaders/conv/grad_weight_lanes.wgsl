// conv.grad_weight, lanes, first dispatch:
//   result[split, r, s, c, k] = sum over the split's pixels of input[n, h + r - 1, w + s - 1, c] grad_output[n, h, w, k]
//
// Buffers      input [IMAGES, H, W, IN] as `part` (vec4 along the channels, or one value where IN is not a multiple of 4);
//              grad_output [IMAGES, H, W, OUT] as `columns` (WIDTH channels): OUT is a multiple of LANES V WIDTH;
//              store() of the preceding fragment stores a result
// Who          one subgroup per tap, ROW_LANES PART input channels and LANES V WIDTH output channels of one split: a lane
//              loads the input of its own part and the gradient of its own columns, and the inputs are broadcast across the
//              lanes; a split is SPLIT pixels; the grid covers the blocks of output channels (fastest), of input
//              channels, the 9 taps and the splits, so that a split's pixels stay in the cache
// Numerics     four pixels are added first, then to the sum; pixels in order within a split
// Where        as conv/forward_lanes.wgsl: 12 loads for 8192 multiply-adds
//
// needs: H, IMAGES, IN, LANES, Left, OUT, PART, ROW_LANES, Right, SPLITS, STEP, Sums, V, W, WIDTH, columns, multiply_add, store
// needs: stored_columns, stored_part, widen
// gives: PARTS
// gives: run(unit: u32, lane: u32)

var<storage, read> input: array<stored_part>;
var<storage, read> grad_output: array<stored_columns>;

const PIXELS: u32 = IMAGES * H * W;
const SPLIT: u32 = (PIXELS + SPLITS - 1u) / SPLITS;
const PARTS: u32 = IN / PART;
const STRIDE: u32 = OUT / WIDTH;
const IN_BLOCKS: u32 = (PARTS + ROW_LANES - 1u) / ROW_LANES;
const OUT_BLOCKS: u32 = STRIDE / (LANES * V);

fn run(unit: u32, lane: u32) {
    let k = (unit % OUT_BLOCKS * LANES + lane) * V;
    let c = unit / OUT_BLOCKS % IN_BLOCKS * ROW_LANES;
    let tap = unit / (OUT_BLOCKS * IN_BLOCKS) % 9u;
    let split = unit / (OUT_BLOCKS * IN_BLOCKS * 9u);
    let r = tap / 3u;
    let s = tap % 3u;
    let mine = c + lane < PARTS && lane < ROW_LANES;
    let end = min(split * SPLIT + SPLIT, PIXELS);
    var sums: Sums;
    for (var pixel = split * SPLIT; pixel < end; pixel += STEP) {
        var inside: array<bool, STEP>;
        var some = false;
        for (var p = 0u; p < STEP; p++) {
            // Shifted by one: 0 is the padding above, H + 1 the padding below.
            let h = (pixel + p) / W % H + r;
            let w = (pixel + p) % W + s;
            inside[p] = pixel + p < end && h > 0u && h <= H && w > 0u && w <= W;
            some |= inside[p];
        }
        if !some {
            continue;
        }
        var x: Left;
        var g: Right;
        for (var p = 0u; p < STEP; p++) {
            if inside[p] {
                if mine {
                    x[p] = widen(input[(pixel + p + r * W + s - W - 1u) * PARTS + c + lane]);
                }
                for (var v = 0u; v < V; v++) {
                    g[p][v] = columns(grad_output[(pixel + p) * STRIDE + k + v]);
                }
            }
        }
        multiply_add(&sums, &x, &g);
    }
    for (var row = 0u; row < ROW_LANES; row++) {
        if c + row < PARTS {
            for (var i = 0u; i < PART; i++) {
                for (var v = 0u; v < V; v++) {
                    store(((split * 9u + tap) * IN + (c + row) * PART + i) * STRIDE + k + v, sums[row][i][v]);
                }
            }
        }
    }
}
