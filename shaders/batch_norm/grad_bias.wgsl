// batch_norm.grad_affine, second dispatch: grad_bias = 0, the gradient of a bias before the normalisation
//
// It is the sum over the rows of scale (g - (grad_beta + x_hat grad_gamma) / TOTAL_ROWS): g sums to grad_beta and x_hat to 0,
// so the result is 0.
//
// Buffers      grad_bias [C]
// Who          one invocation per channel; the grid covers C
// Numerics     exact
//
// needs: nothing
// gives: each(c: u32)

var<storage, read_write> grad_bias: array<f32>;

fn each(c: u32) {
    if c < arrayLength(&grad_bias) {
        grad_bias[c] = 0.0;
    }
}
