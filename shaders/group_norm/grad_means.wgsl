// group_norm.grad_input, chunked, second dispatch: the means of gamma g and of gamma g x over each set, from the sums of its chunks,
// next to its moments
//
// Buffers      workspace [IMAGES, CHUNKS, 2, C]; gamma [C]; moments [SETS, 2]; sets [SETS, 4]
// Who          TEAM invocations per set, a workgroup or a single one
// Numerics     f32; each invocation adds in order, a workgroup in a fixed tree
//
// needs: C, CHUNKS, GROUP, GROUPS, TEAM, VALUES, team_sum
// gives: workspace, gamma, moments, sets
// gives: whole(group: u32, first: u32)

var<storage, read> workspace: array<f32>;
var<storage, read> gamma: array<f32>;
var<storage, read> moments: array<f32>;
var<storage, read_write> sets: array<f32>;

fn whole(group: u32, first: u32) {
    var plain = 0.0;
    var weighted = 0.0;
    for (var i = first; i < CHUNKS * GROUP; i += TEAM) {
        let c = group % GROUPS * GROUP + i % GROUP;
        let at = (group / GROUPS * CHUNKS + i / GROUP) * 2u * C + c;
        plain += gamma[c] * workspace[at];
        weighted += gamma[c] * workspace[at + C];
    }
    plain = team_sum(first, plain);
    weighted = team_sum(first, weighted);
    if first == 0u {
        sets[4u * group] = moments[2u * group];
        sets[4u * group + 1u] = moments[2u * group + 1u];
        sets[4u * group + 2u] = plain / VALUES;
        sets[4u * group + 3u] = weighted / VALUES;
    }
}
