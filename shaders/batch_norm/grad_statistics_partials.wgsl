// batch_norm.grad_statistics, first dispatch: sums of g and of g * (input - mean) inv_std over each chunk of rows, where g
// is grad_output, times the activation's slope at (input - mean) scale + shift
//
// Buffers      input, grad_output [ROWS, C]; affine [4, C] (mean, scale, shift, inv_std); workspace [CHUNKS, 2, C]; as
//              `elem` along C
// Who          one invocation per elem of channels and one chunk of CHUNK rows; lanes run along the channels
// Numerics     f32; inv_std is factored out of the sum
//
// needs: C, CHUNK, ROWS, activate_grad, elem, stored
// gives: each(i: u32)

var<storage, read> input: array<stored>;
var<storage, read> affine: array<elem>;
var<storage, read> grad_output: array<stored>;
var<storage, read_write> workspace: array<elem>;

fn each(i: u32) {
    let c = i % C;
    let chunk = i / C;
    let mean = affine[c];
    let scale = affine[C + c];
    let shift = affine[2u * C + c];
    var plain = elem(0.0);
    var weighted = elem(0.0);
    for (var row = chunk * CHUNK; row < min(chunk * CHUNK + CHUNK, ROWS); row++) {
        let centered = elem(input[row * C + c]) - mean;
        let g = activate_grad(centered * scale + shift, elem(grad_output[row * C + c]));
        plain += g;
        weighted += g * centered;
    }
    workspace[(chunk * 2u) * C + c] = plain;
    workspace[(chunk * 2u + 1u) * C + c] = weighted * affine[3u * C + c];
}
