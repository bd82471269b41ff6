// max_pool.grad_input: grad_input[n, h, w, c] = sum of grad_output over the windows that cover (h, w) and chose it
//
// Buffers      input [N, H, W, C], through prologue/input_*.wgsl; grad_output [N, P, Q, C]; grad_input [N, H, W, C]; as
//              `elem` along C
// Who          one invocation per elem of the input, which gathers: overlapping windows need no atomics; the grid
//              covers N H W C; the choice of a window is recomputed
// Numerics     at most (KERNEL / STRIDE)^2 terms, added in row-major order of the windows
//
// needs: C, H, KERNEL, P, Q, STRIDE_H, STRIDE_W, W, choose, elem, index, stored
// gives: each(i: u32)

var<storage, read> grad_output: array<stored>;
var<storage, read_write> grad_input: array<stored>;

// The first window along an axis that covers a position.
fn first_window(at: u32, stride: u32) -> u32 {
    return select(0u, (at - min(at, KERNEL) + stride) / stride, at >= KERNEL);
}

fn each(i: u32) {
    let c = i % C;
    let w = i / C % W;
    let h = i / (C * W) % H;
    let n = i / (C * W * H);
    let here = index(h * W + w);
    var sum = elem(0.0);
    for (var p = first_window(h, STRIDE_H); p < min(h / STRIDE_H + 1u, P); p++) {
        for (var q = first_window(w, STRIDE_W); q < min(w / STRIDE_W + 1u, Q); q++) {
            let at = ((n * P + p) * Q + q) * C + c;
            sum += select(elem(0.0), elem(grad_output[at]), choose(n, p, q, c).at == here);
        }
    }
    grad_input[i] = stored(sum);
}
