// max_pool.forward: output[n, p, q, c] = max over the KERNEL x KERNEL window at (p STRIDE_H, q STRIDE_W),
//                   argmax[n, p, q, c] = h W + w of the first maximum in row-major order
//
// Buffers      input [N, H, W, C]; output, argmax [N, P, Q, C]; as `elem` along C
// Who          one invocation an elem of the output; the grid covers N P Q C
// Numerics     exact; a NaN in the window is its maximum, as in PyTorch

@group(0) @binding(0) var<storage, read> input: array<elem>;
@group(0) @binding(1) var<storage, read_write> output: array<elem>;
@group(0) @binding(2) var<storage, read_write> argmax: array<index>;

// By its bits: compilers may take x != x for false.
fn is_nan(x: elem) -> bools {
    return (bitcast<index>(x) & index(0x7fffffffu)) > index(0x7f800000u);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = grid_index(workgroup, workgroups) * WORKGROUP + local;
    if i >= N * P * Q * C {
        return;
    }
    let c = i % C;
    let q = i / C % Q;
    let p = i / (C * Q) % P;
    let n = i / (C * Q * P);
    let top = p * STRIDE_H;
    let left = q * STRIDE_W;
    var best = input[((n * H + top) * W + left) * C + c];
    var best_at = index(top * W + left);
    for (var r = 0u; r < KERNEL; r++) {
        for (var s = 0u; s < KERNEL; s++) {
            let at = (top + r) * W + left + s;
            let x = input[(n * H * W + at) * C + c];
            // A NaN wins always, and only a NaN wins against it.
            let wins = (!is_nan(best) & (x > best)) | is_nan(x);
            best = select(best, x, wins);
            best_at = select(best_at, index(at), wins);
        }
    }
    output[i] = best;
    argmax[i] = best_at;
}
