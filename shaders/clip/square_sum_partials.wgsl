// clip.square_sum, first dispatch: the sum of the squares of a share of gradient
//
// Buffers      gradient [len]; workspace [CHUNKS]
// Who          one workgroup per share: every CHUNKS-th run of WORKGROUP values. Each invocation adds its values in order,
//              then a fixed tree; bias.grad's second dispatch adds the shares
// Numerics     f32; squares above 3e38 are infinite, and then all gradients are clipped to 0
// Where        memory-bound: 4 bytes per element
//
// needs: CHUNKS, WORKGROUP, grid_index, reduce_sum

@group(0) @binding(0) var<storage, read> gradient: array<f32>;
@group(0) @binding(1) var<storage, read_write> workspace: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let chunk = grid_index(workgroup, workgroups);
    if chunk >= CHUNKS {
        return;
    }
    var sum = 0.0;
    for (var i = chunk * WORKGROUP + local; i < arrayLength(&gradient); i += CHUNKS * WORKGROUP) {
        sum += gradient[i] * gradient[i];
    }
    sum = reduce_sum(local, sum);
    if local == 0u {
        workspace[chunk] = sum;
    }
}
