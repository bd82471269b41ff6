// batch_norm.statistics, second dispatch: merges the chunks' (mean, M2) into the batch's mean and biased variance
//
// Buffers      workspace [CHUNKS, 2, C]; batch_mean, batch_var [C], which already include ROWS_BEFORE rows
// Who          one workgroup per channel; invocation t merges the chunks t, t + WORKGROUP, ... in order, then the
//              invocations merge in a fixed tree (shared/moments.wgsl)
// Numerics     Chan's formula throughout
//
// needs: C, CHUNK, CHUNKS, Moments, ROWS, ROWS_BEFORE, WORKGROUP, merge, merge_all
// gives: run(c: u32, local: u32)

var<storage, read> workspace: array<f32>;
var<storage, read_write> batch_mean: array<f32>;
var<storage, read_write> batch_var: array<f32>;

fn run(c: u32, local: u32) {
    var mine = Moments(0.0, 0.0, 0.0);
    for (var chunk = local; chunk < CHUNKS; chunk += WORKGROUP) {
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
