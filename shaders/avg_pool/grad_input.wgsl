// avg_pool.grad_input: grad_input[n, h, w, c] = sum of grad_output over the bins that cover (h, w), each divided by its pixels
//
// Buffers      grad_output [N, P, Q, C]; grad_input [N, H, W, C]; as `elem` along C
// Who          one invocation per elem of the input, which gathers: overlapping bins need no atomics; the grid covers
//              N H W C. The bins that cover pixel h are the range of bin h of H bins over P: the rule is its own inverse
// Numerics     added in row-major order of the bins
// Source       PyTorch's adaptive_avg_pool2d
//
// needs: C, H, P, Q, W, elem, stored, window_end, window_start
// gives: each(i: u32)

var<storage, read> grad_output: array<stored>;
var<storage, read_write> grad_input: array<stored>;

fn pixels(at: u32, side: u32, bins: u32) -> u32 {
    return window_end(at, side, bins) - window_start(at, side, bins);
}

fn each(i: u32) {
    let c = i % C;
    let w = i / C % W;
    let h = i / (C * W) % H;
    let n = i / (C * W * H);
    var sum = elem(0.0);
    for (var p = window_start(h, P, H); p < window_end(h, P, H); p++) {
        for (var q = window_start(w, Q, W); q < window_end(w, Q, W); q++) {
            let share = f32(pixels(p, H, P) * pixels(q, W, Q));
            sum += elem(grad_output[((n * P + p) * Q + q) * C + c]) / share;
        }
    }
    grad_input[i] = stored(sum);
}
