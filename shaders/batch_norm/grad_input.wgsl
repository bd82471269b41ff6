// batch_norm.grad_input:
//   grad_input = scale (g - (grad_beta + x_hat grad_gamma) / TOTAL_ROWS), where x_hat = (input - mean) inv_std and g is
//   grad_output, times ReLU's slope at (input - mean) scale + shift
//
// Buffers      input, grad_output, grad_input [ROWS, C]; affine [4, C] (mean, scale, shift, inv_std); grad_gamma,
//              grad_beta [C]; as `elem`
// Who          as batch_norm.normalize: an elem of channels and CHUNK rows an invocation
// Numerics     f32
// Source       Ioffe and Szegedy (2015), with the three sums of the chain rule folded into two

@group(0) @binding(0) var<storage, read> input: array<elem>;
@group(0) @binding(1) var<storage, read> affine: array<elem>;
@group(0) @binding(2) var<storage, read> grad_gamma: array<elem>;
@group(0) @binding(3) var<storage, read> grad_beta: array<elem>;
@group(0) @binding(4) var<storage, read> grad_output: array<elem>;
@group(0) @binding(5) var<storage, read_write> grad_input: array<elem>;

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
    let mean = affine[c];
    let scale = affine[C + c];
    let shift = affine[2u * C + c];
    let mean_grad = grad_beta[c] / TOTAL_ROWS;
    let slope = grad_gamma[c] / TOTAL_ROWS * affine[3u * C + c];
    for (var row = first; row < min(first + CHUNK, ROWS); row++) {
        let at = row * C + c;
        let centered = input[at] - mean;
        let g = passed(centered * scale + shift, grad_output[at]);
        grad_input[at] = scale * (g - mean_grad - centered * slope);
    }
}
