// max_pool.forward: output[n, p, q, c] = max over the KERNEL x KERNEL window at (p STRIDE_H, q STRIDE_W)
//
// Buffers      input [N, H, W, C], through prologue/input_*.wgsl; output [N, P, Q, C]; as `elem` along C
// Who          one invocation per elem of the output; the grid covers N P Q C
// Numerics     exact; a NaN in the window is its maximum, as in PyTorch
//
// needs: C, P, Q, choose, stored
// gives: each(i: u32)

var<storage, read_write> output: array<stored>;

fn each(i: u32) {
    let c = i % C;
    let q = i / C % Q;
    let p = i / (C * Q) % P;
    let n = i / (C * Q * P);
    output[i] = stored(choose(n, p, q, c).best);
}
