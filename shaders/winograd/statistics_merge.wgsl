// Winograd, statistics, last dispatch: merges the segments' (count, mean, M2) into the batch's mean and biased variance
//
// Buffers      partials: of each chunk of images, which begin every STRIDE words, [SEGMENTS, 3, C]; ALL in all;
//              batch_mean, batch_var [C]
// Who          one workgroup per channel; invocation t merges the segments t, t + WORKGROUP, ... in order, then the
//              invocations merge in a fixed tree (shared/moments.wgsl)
// Numerics     Chan's formula throughout
//
// needs: ALL, C, Moments, SEGMENTS, STRIDE, WORKGROUP, merge, merge_all
// gives: run(c: u32, local: u32)

var<storage, read> partials: array<f32>;
var<storage, read_write> batch_mean: array<f32>;
var<storage, read_write> batch_var: array<f32>;

fn run(c: u32, local: u32) {
    var mine = Moments(0.0, 0.0, 0.0);
    for (var segment = local; segment < ALL; segment += WORKGROUP) {
        let at = segment / SEGMENTS * STRIDE + segment % SEGMENTS * 3u * C + c;
        mine = merge(mine, Moments(partials[at], partials[at + C], partials[at + 2u * C]));
    }
    let all = merge_all(local, mine);
    if local == 0u {
        batch_mean[c] = all.mean;
        batch_var[c] = all.m2 / all.count;
    }
}
