// conv.grad_input, lanes:
//   grad_input[n, h, w, c] = sum over r, s, k of grad_output[n, h + 1 - r, w + 1 - s, k] weight[r, s, c, k]
//
// Buffers      grad_output [IMAGES, H, W, OUT] and weight [3, 3, IN, OUT] as `part` (vec4 along OUT, or one value where
//              OUT is not a multiple of 4); IN is a multiple of LANES V WIDTH; conv/grad_input_store.wgsl and conv/lanes_store.wgsl
//              declare the result, as `columns` (WIDTH channels)
// Who          one subgroup per ROWS pixels and LANES V WIDTH input channels, see shared/lanes.wgsl; a lane's weights are
//              transposed from parts along OUT to columns along IN in registers; the grid is that of conv/forward_lanes.wgsl
// Numerics     each result is summed tap by tap in a fixed order
// Where        as conv/forward_lanes.wgsl
//
// needs: BLOCKED, H, IMAGES, IN, LANES, OUT, PART, ROWS, Rows, Sums, V, W, WIDTH, Weights, multiply_add, store_rows, stored_part
// needs: widen
// gives: PIXELS
// gives: run(unit: u32, lane: u32)

var<storage, read> weight: array<stored_part>;
var<storage, read> grad_output: array<stored_part>;

const PIXELS: u32 = IMAGES * H * W;
const PARTS: u32 = OUT / PART;
const BLOCKS: u32 = (PIXELS + ROWS - 1u) / ROWS;

fn run(unit: u32, lane: u32) {
    let pixel = unit % BLOCKS * ROWS;
    let c = (unit / BLOCKS * LANES + lane) * V;
    var sums: Sums;
    for (var r = 0u; r < 3u; r++) {
        for (var s = 0u; s < 3u; s++) {
            var base: array<u32, BLOCKED>;
            var inside: array<bool, BLOCKED>;
            var some = false;
            for (var b = 0u; b < BLOCKED; b++) {
                let at = pixel + b * LANES + lane;
                // Shifted by one, and opposite to the tap: 0 is the padding above, H + 1 the padding below.
                let h = at / W % H + 2u - r;
                let w = at % W + 2u - s;
                inside[b] = at < PIXELS && h > 0u && h <= H && w > 0u && w <= W;
                base[b] = (at + W + 1u - r * W - s) * PARTS;
                some |= inside[b];
            }
            if !subgroupAny(some) {
                continue;
            }
            let at = ((r * 3u + s) * IN + c * WIDTH) * PARTS;
            for (var k = 0u; k < PARTS; k++) {
                var x: Rows;
                for (var b = 0u; b < BLOCKED; b++) {
                    if inside[b] {
                        x[b] = widen(grad_output[base[b] + k]);
                    }
                }
                var w: Weights;
                for (var v = 0u; v < V; v++) {
                    for (var j = 0u; j < WIDTH; j++) {
                        let along = widen(weight[at + (v * WIDTH + j) * PARTS + k]);
                        for (var i = 0u; i < PART; i++) {
                            w[i][v][j] = along[i];
                        }
                    }
                }
                multiply_add(&sums, &x, &w);
            }
        }
    }
    store_rows(&sums, unit % BLOCKS, c);
}
