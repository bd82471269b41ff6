// batch_norm.statistics, second dispatch, serial: merges the chunks' (mean, M2) into the batch's mean and biased variance
//
// Buffers      workspace [CHUNKS, 2, C]; batch_mean, batch_var [C], which already include ROWS_BEFORE rows; as `elem`
// Who          one invocation per elem of channels, which merges the chunks in order; the grid covers C
// Numerics     Chan's formula throughout
// Where        few chunks, and software adapters, where barriers cost more than a longer loop
//
// needs: C, CHUNK, CHUNKS, ROWS, ROWS_BEFORE, elem
// gives: each(c: u32)

var<storage, read> workspace: array<elem>;
var<storage, read_write> batch_mean: array<elem>;
var<storage, read_write> batch_var: array<elem>;

fn each(c: u32) {
    var count = 0.0;
    var mean = elem(0.0);
    var m2 = elem(0.0);
    if ROWS_BEFORE > 0u {
        count = f32(ROWS_BEFORE);
        mean = batch_mean[c];
        m2 = batch_var[c] * count;
    }
    for (var chunk = 0u; chunk < CHUNKS; chunk++) {
        let rows = f32(min(CHUNK, ROWS - chunk * CHUNK));
        let total = count + rows;
        let delta = workspace[chunk * 2u * C + c] - mean;
        mean += delta * (rows / total);
        m2 += workspace[(chunk * 2u + 1u) * C + c] + delta * delta * (count * (rows / total));
        count = total;
    }
    batch_mean[c] = mean;
    batch_var[c] = m2 / count;
}
