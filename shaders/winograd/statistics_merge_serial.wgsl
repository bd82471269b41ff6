// Winograd, statistics, last dispatch, serial: merges the segments' (count, mean, M2) into the batch's mean and biased variance
//
// Buffers      partials: of each chunk of images, which begin every STRIDE elems, [SEGMENTS, 3, C]; ALL in all;
//              batch_mean, batch_var [C]; as `elem`
// Who          one invocation per elem of channels, which merges the segments in order; the grid covers C
// Numerics     Chan's formula throughout
// Where        software adapters, where barriers cost more than a longer loop
//
// needs: ALL, C, SEGMENTS, STRIDE, WORKGROUP, elem, grid_index

@group(0) @binding(0) var<storage, read> partials: array<elem>;
@group(0) @binding(1) var<storage, read_write> batch_mean: array<elem>;
@group(0) @binding(2) var<storage, read_write> batch_var: array<elem>;

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
    var total = elem(0.0);
    var mean = elem(0.0);
    var m2 = elem(0.0);
    for (var segment = 0u; segment < ALL; segment++) {
        let at = segment / SEGMENTS * STRIDE + segment % SEGMENTS * 3u * C + c;
        let count = partials[at];
        let share = count / (total + count);
        let delta = partials[at + C] - mean;
        mean += delta * share;
        m2 += partials[at + 2u * C] + delta * delta * (total * share);
        total += count;
    }
    batch_mean[c] = mean;
    batch_var[c] = m2 / total;
}
