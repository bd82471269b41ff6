// Winograd, statistics, last dispatch, serial: merges the segments' (count, mean, M2) into the batch's mean and biased variance
//
// Buffers      partials: of each chunk of images, which begin every STRIDE elems, [SEGMENTS, 3, C]; ALL in all;
//              batch_mean, batch_var [C]; as `elem`
// Who          one invocation per elem of channels, which merges the segments in order; the grid covers C
// Numerics     Chan's formula throughout
// Where        software adapters, where barriers cost more than a longer loop
//
// needs: ALL, C, SEGMENTS, STRIDE, elem
// gives: each(c: u32)

var<storage, read> partials: array<elem>;
var<storage, read_write> batch_mean: array<elem>;
var<storage, read_write> batch_var: array<elem>;

fn each(c: u32) {
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
