// group_norm.forward, in one dispatch: output = activate((input - mean) inv_std gamma + beta), with the moments of each set
//
// Buffers      input, output [IMAGES, PIXELS, C]; gamma, beta [C]; as `elem` along C; moments [SETS, 2] (mean, inv_std)
// Who          TEAM invocations per set, a workgroup or a single one, which read it three times; lanes run along the channels
// Numerics     the variance from the distances to the mean, both corrected by the sum of the distances; each invocation adds in
//              order, a workgroup in a fixed tree
// Source       Chan, Golub, LeVeque: "Algorithms for computing the sample variance" (1983), the corrected two-pass algorithm
// Where        a single invocation: software adapters, where barriers cost more than a longer loop; a workgroup: many sets that stay
//              in a cache
//
// needs: COUNT, EPS, SETS, SIZE, TEAM, WORKGROUP, across, activate, channel, elem, grid_index, position, reduce_sum, stored

@group(0) @binding(0) var<storage, read> input: array<stored>;
@group(0) @binding(1) var<storage, read> gamma: array<elem>;
@group(0) @binding(2) var<storage, read> beta: array<elem>;
@group(0) @binding(3) var<storage, read_write> output: array<stored>;
@group(0) @binding(4) var<storage, read_write> moments: array<f32>;

// The sum over the invocations of a set.
fn team_sum(local: u32, value: f32) -> f32 {
    if TEAM == 1u {
        return value;
    }
    return reduce_sum(local, value);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let group = (grid_index(workgroup, workgroups) * WORKGROUP + local) / TEAM;
    let first = local % TEAM;
    // All invocations take part in the sums.
    let end = select(0u, SIZE, group < SETS);
    var sum = elem(0.0);
    for (var i = first; i < end; i += TEAM) {
        sum += elem(input[position(group, i)]);
    }
    let about = team_sum(local, across(sum)) / COUNT;
    var distances = elem(0.0);
    var squares = elem(0.0);
    for (var i = first; i < end; i += TEAM) {
        let distance = elem(input[position(group, i)]) - about;
        distances += distance;
        squares += distance * distance;
    }
    let correction = team_sum(local, across(distances)) / COUNT;
    let variance = team_sum(local, across(squares)) / COUNT - correction * correction;
    let mean = about + correction;
    let inv_std = 1.0 / sqrt(variance + EPS);
    for (var i = first; i < end; i += TEAM) {
        let at = position(group, i);
        let c = channel(group, i);
        output[at] = stored(activate((elem(input[at]) - mean) * (inv_std * gamma[c]) + beta[c]));
    }
    if first < end && first == 0u {
        moments[2u * group] = mean;
        moments[2u * group + 1u] = inv_std;
    }
}
