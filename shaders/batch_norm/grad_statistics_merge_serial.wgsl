// batch_norm.grad_statistics, second dispatch, serial: merges the chunks' sums into grad_beta and grad_gamma
//
// Buffers      workspace [CHUNKS, 2, C]; grad_gamma, grad_beta [C], accumulated into if ACCUMULATE is set; as `elem`
// Who          one invocation per elem of channels, which adds the chunks in order; the grid covers C
// Numerics     f32; the chunks are added in order
// Where        few chunks, and software adapters, where barriers cost more than a longer loop
//
// needs: ACCUMULATE, C, CHUNKS, WORKGROUP, elem, grid_index

@group(0) @binding(0) var<storage, read> workspace: array<elem>;
@group(0) @binding(1) var<storage, read_write> grad_gamma: array<elem>;
@group(0) @binding(2) var<storage, read_write> grad_beta: array<elem>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let c = grid_index(workgroup, workgroups) * WORKGROUP + local;
    if c >= C {
        return;
    }
    var plain = workspace[c];
    var weighted = workspace[C + c];
    for (var chunk = 1u; chunk < CHUNKS; chunk++) {
        plain += workspace[chunk * 2u * C + c];
        weighted += workspace[(chunk * 2u + 1u) * C + c];
    }
    if ACCUMULATE {
        plain += grad_beta[c];
        weighted += grad_gamma[c];
    }
    grad_beta[c] = plain;
    grad_gamma[c] = weighted;
}
