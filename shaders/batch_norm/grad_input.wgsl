// batch_norm.grad_input:
//   grad_input = gamma inv_std (grad_output - (grad_beta + x_hat grad_gamma) / TOTAL_ROWS),
//   where inv_std = 1 / sqrt(variance + EPS) and x_hat = (input - mean) inv_std
//
// Buffers      input, grad_output, grad_input [ROWS, C]; mean, variance, gamma, grad_gamma, grad_beta [C]; as `elem`
// Who          as batch_norm.normalize: an elem of channels and CHUNK rows an invocation
// Numerics     f32
// Source       Ioffe and Szegedy (2015), with the three sums of the chain rule folded into two

@group(0) @binding(0) var<storage, read> input: array<elem>;
@group(0) @binding(1) var<storage, read> mean: array<elem>;
@group(0) @binding(2) var<storage, read> variance: array<elem>;
@group(0) @binding(3) var<storage, read> gamma: array<elem>;
@group(0) @binding(4) var<storage, read> grad_gamma: array<elem>;
@group(0) @binding(5) var<storage, read> grad_beta: array<elem>;
@group(0) @binding(6) var<storage, read> grad_output: array<elem>;
@group(0) @binding(7) var<storage, read_write> grad_input: array<elem>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = grid_index(workgroup, workgroups) * WORKGROUP + local;
    let c = i % C;
    let first = i / C * CHUNK;
    if first >= ROWS {
        return;
    }
    let center = mean[c];
    let inv_std = 1.0 / sqrt(variance[c] + elem(EPS));
    let scale = gamma[c] * inv_std;
    let mean_grad = grad_beta[c] / TOTAL_ROWS;
    let slope = grad_gamma[c] / TOTAL_ROWS * inv_std;
    for (var row = first; row < min(first + CHUNK, ROWS); row++) {
        let at = row * C + c;
        grad_input[at] = scale * (grad_output[at] - mean_grad - (input[at] - center) * slope);
    }
}
