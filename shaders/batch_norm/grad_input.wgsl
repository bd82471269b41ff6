// batch_norm.grad_input: grad_input = scale g - (offset + slope (input - mean)), where g is grad_output, times the activation's slope
// at (input - mean) scale + shift
//
// Buffers      input, grad_output, grad_input [ROWS, C]; grad_affine [5, C] (mean, scale, shift, offset, slope); as `elem`
// Who          as batch_norm.normalize: one invocation per elem of channels and CHUNK rows
// Numerics     f32
// Where        before kernels whose prologue does not differentiate batch norm and activation
//
// needs: C, CHUNK, ROWS, activate_grad, elem, stored
// gives: each(i: u32)

var<storage, read> input: array<stored>;
var<storage, read> grad_affine: array<elem>;
var<storage, read> grad_output: array<stored>;
var<storage, read_write> grad_input: array<stored>;

fn each(i: u32) {
    let c = i % C;
    let first = i / C * CHUNK;
    let mean = grad_affine[c];
    let scale = grad_affine[C + c];
    let shift = grad_affine[2u * C + c];
    let offset = grad_affine[3u * C + c];
    let slope = grad_affine[4u * C + c];
    for (var row = first; row < min(first + CHUNK, ROWS); row++) {
        let at = row * C + c;
        let centered = elem(input[at]) - mean;
        let g = activate_grad(centered * scale + shift, elem(grad_output[at]));
        grad_input[at] = stored(scale * g - (offset + slope * centered));
    }
}
