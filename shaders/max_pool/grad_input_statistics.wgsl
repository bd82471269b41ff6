// max_pool.grad_input with the sums for batch norm's backward pass: grad_input[n, h, w, c] = grad_output of the window that
// covers (h, w), if it chose it, and over each chunk of windows the sums of g and of g * (input - mean) inv_std, where g is
// grad_output, times the activation's slope at the chosen value
//
// Buffers      input [N, H, W, C], through prologue/input_norm_activation.wgsl; grad_output [N, P, Q, C]; grad_input
//              [N, H, W, C]; workspace [CHUNKS, 2, C], which batch_norm/grad_statistics_merge*.wgsl adds up; as `elem` along C
// Who          one invocation per elem of channels and one chunk of CHUNK tiles of KERNEL x KERNEL pixels; lanes run along
//              the channels; the tiles [DOWN, ACROSS] of an image are its windows and, at its lower and right edges, the
//              pixels that no window covers
// Numerics     grad_input exact; f32 sums; inv_std is factored out of the sum
// Source       terms of the sums over all pixels are nonzero only at the pixels that windows chose, so neither the gradient nor
//              the pooled values are read again
//
// needs: ACROSS, C, CHUNK, DOWN, H, KERNEL, P, Q, TILES, W, activate_grad, affine, choose, elem, index
// needs: input_vectors, stored
// gives: each(i: u32)

var<storage, read> grad_output: array<stored>;
var<storage, read_write> grad_input: array<stored>;
var<storage, read_write> workspace: array<elem>;

fn each(i: u32) {
    let c = i % C;
    let chunk = i / C;
    let vectors = input_vectors(c);
    var plain = elem(0.0);
    var weighted = elem(0.0);
    for (var tile = chunk * CHUNK; tile < min(chunk * CHUNK + CHUNK, TILES); tile++) {
        let q = tile % ACROSS;
        let p = tile / ACROSS % DOWN;
        let n = tile / (ACROSS * DOWN);
        let corner = p * KERNEL * W + q * KERNEL;
        if p < P && q < Q {
            let gradient = elem(grad_output[((n * P + p) * Q + q) * C + c]);
            let choice = choose(n, p, q, c);
            let centered = choice.read - vectors.mean;
            let g = activate_grad(centered * vectors.scale + vectors.shift, gradient);
            plain += g;
            weighted += g * centered;
            for (var r = 0u; r < KERNEL; r++) {
                for (var s = 0u; s < KERNEL; s++) {
                    let at = corner + r * W + s;
                    let part = select(elem(0.0), gradient, choice.at == index(at));
                    grad_input[(n * H * W + at) * C + c] = stored(part);
                }
            }
        } else {
            for (var h = p * KERNEL; h < min(p * KERNEL + KERNEL, H); h++) {
                for (var w = q * KERNEL; w < min(q * KERNEL + KERNEL, W); w++) {
                    grad_input[((n * H + h) * W + w) * C + c] = stored(elem(0.0));
                }
            }
        }
    }
    workspace[(chunk * 2u) * C + c] = plain;
    workspace[(chunk * 2u + 1u) * C + c] = weighted * affine[3u * C + c];
}
