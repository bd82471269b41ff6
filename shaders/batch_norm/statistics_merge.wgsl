// batch_norm.statistics, second dispatch: merges the chunks' (mean, M2) into the batch's mean and biased variance
//
// Buffers      workspace [CHUNKS, 2, C]; batch_mean, batch_var [C], which already include ROWS_BEFORE rows
// Who          one workgroup per channel; invocation t merges the chunks t, t + MERGERS, ... in order, then the
//              invocations merge in a fixed tree (shared/moments.wgsl)
// Numerics     Chan's formula throughout
//
// needs: C, CHUNK, CHUNKS, MERGERS, Moments, ROWS, ROWS_BEFORE, grid_index, merge, merge_all

@group(0) @binding(0) var<storage, read> workspace: array<f32>;
@group(0) @binding(1) var<storage, read_write> batch_mean: array<f32>;
@group(0) @binding(2) var<storage, read_write> batch_var: array<f32>;

@compute @workgroup_size(MERGERS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let c = grid_index(workgroup, workgroups);
    if c >= C {
        return;
    }
    var mine = Moments(0.0, 0.0, 0.0);
    for (var chunk = local; chunk < CHUNKS; chunk += MERGERS) {
        let rows = min(CHUNK, ROWS - chunk * CHUNK);
        mine = merge(mine, Moments(f32(rows), workspace[chunk * 2u * C + c], workspace[(chunk * 2u + 1u) * C + c]));
    }
    var all = merge_all(local, mine);
    if local == 0u {
        if ROWS_BEFORE > 0u {
            let before = f32(ROWS_BEFORE);
            all = merge(Moments(before, batch_mean[c], batch_var[c] * before), all);
        }
        batch_mean[c] = all.mean;
        batch_var[c] = all.m2 / all.count;
    }
}
