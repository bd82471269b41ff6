// batch_norm.normalize: output = gamma (input - mean) / sqrt(variance + EPS) + beta
//
// Buffers      input, output [ROWS, C]; mean, variance, gamma, beta [C]; as `elem` along C
// Who          one invocation an elem of channels and CHUNK rows, so that the four vectors are loaded once; lanes lie
//              along the channels; the grid covers C and ROWS / CHUNK
// Numerics     f32; the difference is taken before the scale, so that a large mean does not cancel
// Source       Ioffe and Szegedy (2015)

@group(0) @binding(0) var<storage, read> input: array<elem>;
@group(0) @binding(1) var<storage, read> mean: array<elem>;
@group(0) @binding(2) var<storage, read> variance: array<elem>;
@group(0) @binding(3) var<storage, read> gamma: array<elem>;
@group(0) @binding(4) var<storage, read> beta: array<elem>;
@group(0) @binding(5) var<storage, read_write> output: array<elem>;

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
    let scale = gamma[c] / sqrt(variance[c] + elem(EPS));
    let shift = beta[c];
    for (var row = first; row < min(first + CHUNK, ROWS); row++) {
        output[row * C + c] = (input[row * C + c] - center) * scale + shift;
    }
}
