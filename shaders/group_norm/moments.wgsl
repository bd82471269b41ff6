// group_norm.affine, second dispatch: merges the (mean, M2) of a group's channels and of an image's chunks
//
// Buffers      workspace [IMAGES, CHUNKS, 2, C]; moments [SETS, 2] (mean, inv_std)
// Who          TEAM invocations per set, a workgroup or a single one, which read the workspace twice
// Numerics     the mean of the means, then M2 from the distances to it, both corrected by the sum of the distances; each invocation
//              adds in order, a workgroup in a fixed tree
//
// needs: C, CHUNK, CHUNKS, EPS, GROUP, GROUPS, PIXELS, TEAM, VALUES, team_sum
// gives: workspace, moments
// gives: place(group: u32, i: u32) -> u32
// gives: pixels(i: u32) -> f32
// gives: whole(group: u32, first: u32)

var<storage, read> workspace: array<f32>;
var<storage, read_write> moments: array<f32>;

// The mean of the i-th channel and chunk of a set; its M2 is C further on.
fn place(group: u32, i: u32) -> u32 {
    return (group / GROUPS * CHUNKS + i / GROUP) * 2u * C + group % GROUPS * GROUP + i % GROUP;
}

// The pixels of its chunk.
fn pixels(i: u32) -> f32 {
    return f32(min(CHUNK, PIXELS - i / GROUP * CHUNK));
}

fn whole(group: u32, first: u32) {
    var sum = 0.0;
    for (var i = first; i < CHUNKS * GROUP; i += TEAM) {
        sum += pixels(i) * workspace[place(group, i)];
    }
    let about = team_sum(first, sum) / VALUES;
    var distances = 0.0;
    var m2 = 0.0;
    for (var i = first; i < CHUNKS * GROUP; i += TEAM) {
        let at = place(group, i);
        let distance = workspace[at] - about;
        distances += pixels(i) * distance;
        m2 += workspace[at + C] + pixels(i) * distance * distance;
    }
    let correction = team_sum(first, distances) / VALUES;
    let variance = team_sum(first, m2) / VALUES - correction * correction;
    if first == 0u {
        moments[2u * group] = about + correction;
        moments[2u * group + 1u] = 1.0 / sqrt(variance + EPS);
    }
}
