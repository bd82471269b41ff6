// The second dispatch of a split-K product: result[i] = sum over the splits of workspace[split, i]
//
// Buffers      workspace [SPLITS, LEN] as `elem`; `result` [LEN] is declared by the preceding file with
//              fn keep(i, sum)
// Who          one invocation per element; the grid covers LEN
// Numerics     the splits are added in order
//
// needs: LEN, SPLITS, WORKGROUP, elem, grid_index, keep

@group(0) @binding(0) var<storage, read> workspace: array<elem>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = grid_index(workgroup, workgroups) * WORKGROUP + local;
    if i >= LEN {
        return;
    }
    var sum = elem(0.0);
    for (var split = 0u; split < SPLITS; split++) {
        sum += workspace[split * LEN + i];
    }
    keep(i, sum);
}
