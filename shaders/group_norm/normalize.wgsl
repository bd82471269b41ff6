// group_norm.forward, chunked, third dispatch: output = activate((input - mean) inv_std gamma + beta)
//
// Buffers      input, output [ROWS, C]; gamma, beta [C]; as `elem` along C
// Who          one invocation per elem of channels and CHUNK pixels of the batch, so that gamma and beta are loaded once; lanes run
//              along the channels
// Numerics     f32; the difference is taken before the scale, so that a large mean does not cancel; NaN is preserved
//
// needs: C, CHUNK, ROWS, WORKGROUP, activate, elem, grid_index, of_set, stored

@group(0) @binding(0) var<storage, read> input: array<stored>;
@group(0) @binding(1) var<storage, read> gamma: array<elem>;
@group(0) @binding(2) var<storage, read> beta: array<elem>;
@group(0) @binding(4) var<storage, read_write> output: array<stored>;

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
    let factor = gamma[c];
    let shift = beta[c];
    for (var row = first; row < min(first + CHUNK, ROWS); row++) {
        let centered = elem(input[row * C + c]) - of_set(row, c, 0u);
        output[row * C + c] = stored(activate(centered * (of_set(row, c, 1u) * factor) + shift));
    }
}
