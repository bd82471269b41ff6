// group_norm.affine, second dispatch: merges the (mean, M2) of a group's channels and of an image's chunks
//
// Buffers      workspace [IMAGES, CHUNKS, 2, C]; moments [SETS, 2] (mean, inv_std)
// Who          one workgroup per set; invocation t merges the pairs t, t + WORKGROUP, ... in order, then the invocations merge in a
//              fixed tree (shared/moments.wgsl)
// Numerics     Chan's formula throughout
//
// needs: C, CHUNK, CHUNKS, EPS, GROUP, GROUPS, Moments, PIXELS, WORKGROUP, merge, merge_all
// gives: run(group: u32, local: u32)

var<storage, read> workspace: array<f32>;
var<storage, read_write> moments: array<f32>;

fn run(group: u32, local: u32) {
    var mine = Moments(0.0, 0.0, 0.0);
    for (var i = local; i < CHUNKS * GROUP; i += WORKGROUP) {
        let chunk = i / GROUP;
        let pixels = min(CHUNK, PIXELS - chunk * CHUNK);
        let at = (group / GROUPS * CHUNKS + chunk) * 2u * C + group % GROUPS * GROUP + i % GROUP;
        mine = merge(mine, Moments(f32(pixels), workspace[at], workspace[at + C]));
    }
    let all = merge_all(local, mine);
    if local == 0u {
        moments[2u * group] = all.mean;
        moments[2u * group + 1u] = 1.0 / sqrt(all.m2 / all.count + EPS);
    }
}
