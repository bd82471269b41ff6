// quantized.max_pool: output[n, p, q, c] = max over the KERNEL x KERNEL window at (p STRIDE_H, q STRIDE_W), on bytes
//
// Buffers      input [N, H, W, 4 C], output [N, P, Q, 4 C] bytes, four in a u32
// Who          one invocation per four channels of an output; the grid covers N P Q C
// Numerics     exact
//
// needs: C, H, KERNEL, P, Q, STRIDE_H, STRIDE_W, W
// gives: each(i: u32)

var<storage, read> input: array<u32>;
var<storage, read_write> output: array<u32>;

fn each(i: u32) {
    let c = i % C;
    let q = i / C % Q;
    let p = i / (C * Q) % P;
    let n = i / (C * Q * P);
    var best = vec4(0u);
    for (var r = 0u; r < KERNEL; r++) {
        for (var s = 0u; s < KERNEL; s++) {
            let at = (n * H + p * STRIDE_H + r) * W + q * STRIDE_W + s;
            best = max(best, (vec4(input[at * C + c]) >> vec4(0u, 8u, 16u, 24u)) & vec4(255u));
        }
    }
    output[i] = best.x | (best.y << 8u) | (best.z << 16u) | (best.w << 24u);
}
