// conv.forward, lanes: output[n, h, w, k] = bias[k] + sum over r, s, c of input[n, h + r - 1, w + s - 1, c] weight[r, s, c, k]
//
// Buffers      input [IMAGES, H, W, IN] as `part` (vec4 along the channels, or one value where IN is not a multiple of 4);
//              weight [3, 3, IN, OUT] as `columns` (WIDTH channels): OUT is a multiple of LANES V WIDTH; conv/forward_store.wgsl
//              and conv/lanes_store.wgsl declare the others
// Who          one subgroup per ROWS pixels and LANES V WIDTH output channels; a lane loads its own pixels and its own
//              channels' weights, see shared/lanes.wgsl; the grid covers the pixels / ROWS, which vary fastest so that a
//              panel of weights stays in the cache, times the blocks of channels; no workgroup memory, no barriers
// Numerics     each result is summed tap by tap in a fixed order
// Where        software adapters with subgroups of a known size: 32 pixels and 64 channels need 12 loads for 8192
//              multiply-adds. On llvmpipe three to ten times as fast as the blocked kernel
//
// needs: BLOCKED, H, IMAGES, IN, LANES, OUT, PART, ROWS, Rows, Sums, V, W, WIDTH, Weights, columns, multiply_add, store_rows
// needs: stored_columns, stored_part, widen
// gives: PIXELS
// gives: run(unit: u32, lane: u32)

var<storage, read> input: array<stored_part>;
var<storage, read> weight: array<stored_columns>;

const PIXELS: u32 = IMAGES * H * W;
const PARTS: u32 = IN / PART;
const STRIDE: u32 = OUT / WIDTH;
const BLOCKS: u32 = (PIXELS + ROWS - 1u) / ROWS;

fn run(unit: u32, lane: u32) {
    let pixel = unit % BLOCKS * ROWS;
    let k = (unit / BLOCKS * LANES + lane) * V;
    var sums: Sums;
    for (var r = 0u; r < 3u; r++) {
        for (var s = 0u; s < 3u; s++) {
            var base: array<u32, BLOCKED>;
            var inside: array<bool, BLOCKED>;
            var some = false;
            for (var b = 0u; b < BLOCKED; b++) {
                let at = pixel + b * LANES + lane;
                // Shifted by one: 0 is the padding above, H + 1 the padding below.
                let h = at / W % H + r;
                let w = at % W + s;
                inside[b] = at < PIXELS && h > 0u && h <= H && w > 0u && w <= W;
                base[b] = (at + r * W + s - W - 1u) * PARTS;
                some |= inside[b];
            }
            if !subgroupAny(some) {
                continue;
            }
            var at = (r * 3u + s) * IN * STRIDE + k;
            for (var c = 0u; c < PARTS; c++) {
                var x: Rows;
                for (var b = 0u; b < BLOCKED; b++) {
                    if inside[b] {
                        x[b] = widen(input[base[b] + c]);
                    }
                }
                var w: Weights;
                // Rows innermost: their cache lines differ, so that the misses overlap.
                for (var v = 0u; v < V; v++) {
                    for (var i = 0u; i < PART; i++) {
                        w[i][v] = columns(weight[at + i * STRIDE + v]);
                    }
                }
                multiply_add(&sums, &x, &w);
                at += PART * STRIDE;
            }
        }
    }
    store_rows(&sums, unit % BLOCKS, k);
}
