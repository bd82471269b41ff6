// Winograd, statistics, last dispatch: merges the segments' (count, mean, M2) into the batch's mean and biased variance
//
// Buffers      partials: of each chunk of images, which begin every STRIDE words, [SEGMENTS, 3, C]; ALL in all;
//              batch_mean, batch_var [C]
// Who          one workgroup per channel; invocation t merges the segments t, t + MERGERS, ... in order, then the
//              invocations merge in a fixed tree (shared/moments.wgsl)
// Numerics     Chan's formula throughout
//
// needs: ALL, C, MERGERS, Moments, SEGMENTS, STRIDE, grid_index, merge, merge_all

@group(0) @binding(0) var<storage, read> partials: array<f32>;
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
    for (var segment = local; segment < ALL; segment += MERGERS) {
        let at = segment / SEGMENTS * STRIDE + segment % SEGMENTS * 3u * C + c;
        mine = merge(mine, Moments(partials[at], partials[at + C], partials[at + 2u * C]));
    }
    let all = merge_all(local, mine);
    if local == 0u {
        batch_mean[c] = all.mean;
        batch_var[c] = all.m2 / all.count;
    }
}
