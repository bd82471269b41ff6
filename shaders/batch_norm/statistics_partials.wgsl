// batch_norm.statistics and group_norm.affine, first dispatch: mean and M2 (the sum of squared deviations) of each channel in each
// chunk of rows
//
// Buffers      input [PARTS, ROWS, C] and workspace [PARTS, CHUNKS, 2, C], as `elem` along C; a part is the batch or an image
// Who          one invocation per elem of channels and one chunk of CHUNK rows of a part; lanes run along the channels
// Numerics     blocks of BLOCK rows are reduced in registers about their own mean and merged into the chunk by Chan's
//              formula: E[x^2] - mean^2 would cancel
// Source       Chan, Golub, LeVeque: "Updating formulae and a pairwise algorithm for computing sample variances" (1979)
//
// needs: C, CHUNK, CHUNKS, ROWS, elem, stored
// gives: each(i: u32)

var<storage, read> input: array<stored>;
var<storage, read_write> workspace: array<elem>;

const BLOCK: u32 = 8u;

fn each(i: u32) {
    let c = i % C;
    let chunk = i / C;
    let part = chunk / CHUNKS * ROWS;
    let first = part + chunk % CHUNKS * CHUNK;
    let end = min(first + CHUNK, part + ROWS);
    var count = 0.0;
    var mean = elem(0.0);
    var m2 = elem(0.0);
    for (var row = first; row < end; row += BLOCK) {
        let rows = min(BLOCK, end - row);
        var values: array<elem, BLOCK>;
        var sum = elem(0.0);
        for (var r = 0u; r < rows; r++) {
            values[r] = elem(input[(row + r) * C + c]);
            sum += values[r];
        }
        let block_mean = sum / f32(rows);
        var block_m2 = elem(0.0);
        for (var r = 0u; r < rows; r++) {
            let deviation = values[r] - block_mean;
            block_m2 += deviation * deviation;
        }
        let total = count + f32(rows);
        let delta = block_mean - mean;
        mean += delta * (f32(rows) / total);
        m2 += block_m2 + delta * delta * (count * f32(rows) / total);
        count = total;
    }
    workspace[(chunk * 2u) * C + c] = mean;
    workspace[(chunk * 2u + 1u) * C + c] = m2;
}
