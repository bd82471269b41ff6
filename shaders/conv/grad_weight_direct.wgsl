// conv.grad_weight, direct:
//   result[split, r, s, c, k] = sum over the split's pixels of input[n, h + r - 1, w + s - 1, c] grad_output[n, h, w, k]
//
// Buffers      input through conv/direct_window.wgsl; grad_output [IMAGES, H, W, OUT] through prologue/grad_*.wgsl; store()
//              of the preceding fragment stores a result; all but the input as vec4, COLUMNS per pixel
// Who          one workgroup per 4 COLUMN_LANES output channels of a split, one invocation per four of them and LINES lines,
//              with all 9 IN sums in registers: adjacent invocations read adjacent channels of the gradient, each once, and
//              the same inputs. The sums of TEAMS such rows of invocations are added through workgroup memory; the grid
//              covers the blocks of channels (fastest) and the splits
// Numerics     pixels in order, then teams in order, then splits in order (shared/merge_splits.wgsl)
// Where        the first layer, as conv/forward_direct.wgsl: 9 IN rows of the result fill 9 of a tile's 128 rows, and nearly
//              all traffic is the gradient and the output for its prologue. On llvmpipe (one team) 8.4 GFLOP/s at
//              16x28x28x1 -> 64 (lanes 3.2, tiled 0.6); 6.3 at 2x224x224x1 -> 64 (2.7, 0.6)
//
// needs: ALL_LINES, COLUMNS, COLUMN_LANES, IN, LINES, TEAMS, W, Window, advance, grad_at, grad_elem
// needs: grad_vectors, store
// gives: run(unit: u32, local: u32)

const BLOCKS: u32 = (COLUMNS + COLUMN_LANES - 1u) / COLUMN_LANES;

var<workgroup> scratch: array<grad_elem, TEAMS * COLUMN_LANES>;

fn run(unit: u32, local: u32) {
    let split = unit / BLOCKS;
    let lane = local % COLUMN_LANES;
    let team = local / COLUMN_LANES;
    let column = unit % BLOCKS * COLUMN_LANES + lane;
    let first = (split * TEAMS + team) * LINES;
    let end = min(first + LINES, ALL_LINES);
    var sums: array<array<array<grad_elem, IN>, 3>, 3>;
    if column < COLUMNS {
        let vectors = grad_vectors(column);
        for (var line = first; line < end; line++) {
            var window = Window();
            advance(&window, line, 0u);
            for (var w = 0u; w < W; w++) {
                advance(&window, line, w + 1u);
                let g = grad_at((line * W + w) * COLUMNS + column, vectors);
                for (var r = 0u; r < 3u; r++) {
                    for (var s = 0u; s < 3u; s++) {
                        for (var c = 0u; c < IN; c++) {
                            sums[r][s][c] += window[r][s][c] * g;
                        }
                    }
                }
            }
        }
    }
    for (var r = 0u; r < 3u; r++) {
        for (var s = 0u; s < 3u; s++) {
            for (var c = 0u; c < IN; c++) {
                var sum = sums[r][s][c];
                if TEAMS > 1u {
                    workgroupBarrier();
                    scratch[local] = sum;
                    workgroupBarrier();
                    if team == 0u {
                        for (var other = 1u; other < TEAMS; other++) {
                            sum += scratch[other * COLUMN_LANES + lane];
                        }
                    }
                }
                if team == 0u && column < COLUMNS {
                    store(((split * 9u + r * 3u + s) * IN + c) * COLUMNS + column, sum);
                }
            }
        }
    }
}
