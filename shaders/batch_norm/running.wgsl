// batch_norm.running: running = (1 - MOMENTUM) running + MOMENTUM batch, the variance times VARIANCE_FACTOR first
//
// Buffers      batch_mean, batch_var, running_mean, running_var [C]
// Who          one invocation per channel; the grid covers C
// Numerics     VARIANCE_FACTOR is 1 (biased, the paper) or rows / (rows - 1) (unbiased, PyTorch)
//
// needs: MOMENTUM, VARIANCE_FACTOR
// gives: each(c: u32)

var<storage, read> batch_mean: array<f32>;
var<storage, read> batch_var: array<f32>;
var<storage, read_write> running_mean: array<f32>;
var<storage, read_write> running_var: array<f32>;

fn each(c: u32) {
    if c >= arrayLength(&running_mean) {
        return;
    }
    running_mean[c] = (1.0 - MOMENTUM) * running_mean[c] + MOMENTUM * batch_mean[c];
    running_var[c] = (1.0 - MOMENTUM) * running_var[c] + MOMENTUM * (batch_var[c] * VARIANCE_FACTOR);
}
