// conv.forward, direct: output[n, h, w, k] = bias[k] + sum over r, s, c of input[n, h + r - 1, w + s - 1, c] weight[r, s, c, k]
//
// Buffers      input through conv/direct_window.wgsl; weight [3, 3, IN, OUT] and output [IMAGES, H, W, OUT] as `stored`,
//              bias [OUT] as `elem`: vec4 along the channels, COLUMNS per pixel
// Who          one invocation per four output channels of a chunk of LINES lines: their weights stay in its registers, and the
//              window moves along the lines; adjacent invocations have adjacent channels, so that writes coalesce and inputs
//              are shared; the grid covers COLUMNS CHUNKS; no workgroup memory, no barriers
// Numerics     tap by tap in a fixed order; statistics as in shared/chunk_*statistics.wgsl
// Where        the first layer: one to four input channels. The product has 9 IN terms per result; an implicit GEMM would
//              pad 9 to its slabs' 16 and load each input once per tap. Nearly all traffic is the output: 98 % for 1 -> 64
//              channels. Here four results take 3 IN loads, shared by all channels of a pixel, and 36 IN multiply-adds,
//              4.5 IN FLOP for each of their 16 bytes: up to three channels, a GPU with 15 FLOP per byte is memory-bound,
//              without a second pass for the statistics. On llvmpipe 13.5 GFLOP/s at 16x28x28x1 -> 64 (lanes 4.0, tiled
//              1.9); 6.8 at 2x224x224x1 -> 64 (3.8, 1.6)
//
// needs: ALL_LINES, COLUMNS, IN, LINES, W, Window, accumulate, advance, elem, store_statistics, stored
// gives: each(i: u32)

var<storage, read> weight: array<stored>;
var<storage, read> bias: array<elem>;
var<storage, read_write> output: array<stored>;

fn each(i: u32) {
    let column = i % COLUMNS;
    let chunk = i / COLUMNS;
    var weights: array<array<array<elem, IN>, 3>, 3>;
    for (var r = 0u; r < 3u; r++) {
        for (var s = 0u; s < 3u; s++) {
            for (var c = 0u; c < IN; c++) {
                weights[r][s][c] = elem(weight[((r * 3u + s) * IN + c) * COLUMNS + column]);
            }
        }
    }
    let start = bias[column];
    let end = min(chunk * LINES + LINES, ALL_LINES);
    for (var line = chunk * LINES; line < end; line++) {
        var window = Window();
        advance(&window, line, 0u);
        for (var w = 0u; w < W; w++) {
            advance(&window, line, w + 1u);
            var sum = start;
            for (var r = 0u; r < 3u; r++) {
                for (var s = 0u; s < 3u; s++) {
                    for (var c = 0u; c < IN; c++) {
                        sum += window[r][s][c] * weights[r][s][c];
                    }
                }
            }
            let y = stored(sum);
            let at = (line * W + w) * COLUMNS + column;
            output[at] = y;
            accumulate(at, elem(y));
        }
    }
    store_statistics(chunk, column, f32((end - chunk * LINES) * W));
}
