// batch_norm.grad_affine: grad_affine[0 .. 3] = mean, scale, shift, grad_affine[3] = scale grad_beta / TOTAL_ROWS,
//                         grad_affine[4] = scale inv_std grad_gamma / TOTAL_ROWS
//
// Buffers      affine [4, C] (mean, scale, shift, inv_std); grad_gamma, grad_beta [C]; grad_affine [5, C]
// Who          one invocation per channel; the grid covers C
// Numerics     f32; mean and offset stay separate, so that a large mean does not cancel
// Source       Ioffe and Szegedy (2015), with the three sums of the chain rule folded into two
//
// needs: TOTAL_ROWS
// gives: each(c: u32)

var<storage, read> affine: array<f32>;
var<storage, read> grad_gamma: array<f32>;
var<storage, read> grad_beta: array<f32>;
var<storage, read_write> grad_affine: array<f32>;

fn each(c: u32) {
    let channels = arrayLength(&affine) / 4u;
    if c >= channels {
        return;
    }
    let scale = affine[channels + c];
    grad_affine[c] = affine[c];
    grad_affine[channels + c] = scale;
    grad_affine[2u * channels + c] = affine[2u * channels + c];
    grad_affine[3u * channels + c] = scale * (grad_beta[c] / TOTAL_ROWS);
    grad_affine[4u * channels + c] = scale * affine[3u * channels + c] * (grad_gamma[c] / TOTAL_ROWS);
}
