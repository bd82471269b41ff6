// A workgroup for each set of a group norm.
//
// Buffers      those of the file with `whole`
// Who          a workgroup for each set; it calls `whole`
// Numerics     the sums of invocations in a fixed tree
//
// needs: WORKGROUP, reduce_sum, whole
// gives: TEAM
// gives: team_sum(first: u32, value: f32) -> f32
// gives: run(group: u32, local: u32)

const TEAM: u32 = WORKGROUP;

// The sum over the invocations of a set.
fn team_sum(first: u32, value: f32) -> f32 {
    return reduce_sum(first, value);
}

fn run(group: u32, local: u32) {
    whole(group, local);
}
