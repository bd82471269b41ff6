// bias.grad, second dispatch, serial: merges the chunks' sums into grad_bias
//
// clip.square_sum adds its shares with it, as one channel.
//
// Buffers      workspace [CHUNKS, C]; grad_bias [C], accumulated into if ACCUMULATE is set; as `elem`
// Who          one invocation per elem of channels, which adds the chunks in order; the grid covers C
// Numerics     f32; the chunks are added in order
// Where        few chunks, and software adapters, where barriers cost more than a longer loop
//
// needs: ACCUMULATE, C, CHUNKS, WORKGROUP, elem, grid_index

@group(0) @binding(0) var<storage, read> workspace: array<elem>;
@group(0) @binding(1) var<storage, read_write> grad_bias: array<elem>;

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
    var sum = workspace[c];
    for (var chunk = 1u; chunk < CHUNKS; chunk++) {
        sum += workspace[chunk * C + c];
    }
    if ACCUMULATE {
        sum += grad_bias[c];
    }
    grad_bias[c] = sum;
}
