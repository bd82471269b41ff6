// batch_norm.affine: affine[0] = mean, affine[1] = gamma inv_std, affine[2] = beta, affine[3] = inv_std,
//                    where inv_std = 1 / sqrt(variance + EPS)
//
// Buffers      mean, variance, gamma, beta [C]; affine [4, C]
// Who          one invocation per channel; the grid covers C
// Numerics     f32; mean and shift stay separate, so that a large mean does not cancel
//
// needs: EPS
// gives: each(c: u32)

var<storage, read> mean: array<f32>;
var<storage, read> variance: array<f32>;
var<storage, read> gamma: array<f32>;
var<storage, read> beta: array<f32>;
var<storage, read_write> affine: array<f32>;

fn each(c: u32) {
    let channels = arrayLength(&affine) / 4u;
    if c >= channels {
        return;
    }
    let inv_std = 1.0 / sqrt(variance[c] + EPS);
    affine[c] = mean[c];
    affine[channels + c] = gamma[c] * inv_std;
    affine[2u * channels + c] = beta[c];
    affine[3u * channels + c] = inv_std;
}
