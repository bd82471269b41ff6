// An invocation for each set of a group norm.
//
// Buffers      those of the file with `whole`
// Who          an invocation for each set; it calls `whole`
// Numerics     one invocation adds in order
//
// needs: whole
// gives: TEAM
// gives: team_sum(first: u32, value: f32) -> f32
// gives: each(group: u32)

const TEAM: u32 = 1u;

// The sum over the invocations of a set.
fn team_sum(first: u32, value: f32) -> f32 {
    return value;
}

fn each(group: u32) {
    whole(group, 0u);
}
