// group_norm.grad_input, chunked, second dispatch: the means of gamma g and of gamma g x over each set, from the sums of its chunks,
// next to its moments
//
// Buffers      workspace [IMAGES, CHUNKS, 2, C]; gamma [C]; moments [SETS, 2]; sets [SETS, 4]
// Who          one workgroup per set; invocation t adds the sums t, t + WORKGROUP, ... in order, then a fixed tree
// Numerics     f32
//
// needs: C, CHUNKS, COUNT, GROUP, GROUPS, SETS, WORKGROUP, grid_index, reduce_sum

@group(0) @binding(0) var<storage, read> workspace: array<f32>;
@group(0) @binding(1) var<storage, read> gamma: array<f32>;
@group(0) @binding(2) var<storage, read> moments: array<f32>;
@group(0) @binding(3) var<storage, read_write> sets: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let group = grid_index(workgroup, workgroups);
    if group >= SETS {
        return;
    }
    var plain = 0.0;
    var weighted = 0.0;
    for (var i = local; i < CHUNKS * GROUP; i += WORKGROUP) {
        let c = group % GROUPS * GROUP + i % GROUP;
        let at = (group / GROUPS * CHUNKS + i / GROUP) * 2u * C + c;
        plain += gamma[c] * workspace[at];
        weighted += gamma[c] * workspace[at + C];
    }
    plain = reduce_sum(local, plain);
    weighted = reduce_sum(local, weighted);
    if local == 0u {
        sets[4u * group] = moments[2u * group];
        sets[4u * group + 1u] = moments[2u * group + 1u];
        sets[4u * group + 2u] = plain / COUNT;
        sets[4u * group + 3u] = weighted / COUNT;
    }
}
