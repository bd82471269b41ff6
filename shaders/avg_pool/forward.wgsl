// avg_pool.forward: output[n, p, q, c] = mean of input[n, h, w, c] over the bin p of H and the bin q of W (window.wgsl)
//
// Buffers      input [N, H, W, C]; output [N, P, Q, C]; as `elem` along C
// Who          one invocation per elem of the output; the grid covers N P Q C
// Numerics     a sum in row-major order, then one division
// Source       PyTorch's adaptive_avg_pool2d
//
// needs: C, H, P, Q, W, elem, stored, window_end, window_start
// gives: each(i: u32)

var<storage, read> input: array<stored>;
var<storage, read_write> output: array<stored>;

fn each(i: u32) {
    let c = i % C;
    let q = i / C % Q;
    let p = i / (C * Q) % P;
    let n = i / (C * Q * P);
    let top = window_start(p, H, P);
    let bottom = window_end(p, H, P);
    let left = window_start(q, W, Q);
    let right = window_end(q, W, Q);
    var sum = elem(0.0);
    for (var h = top; h < bottom; h++) {
        for (var w = left; w < right; w++) {
            sum += elem(input[((n * H + h) * W + w) * C + c]);
        }
    }
    output[i] = stored(sum / f32((bottom - top) * (right - left)));
}
