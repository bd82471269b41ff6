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
// needs: EPS, SIZE, TEAM, VALUES, across, activate, channel, elem, position, stored, team_sum
// gives: input, gamma, beta, output, moments
// gives: whole(group: u32, first: u32)

var<storage, read> input: array<stored>;
var<storage, read> gamma: array<elem>;
var<storage, read> beta: array<elem>;
var<storage, read_write> output: array<stored>;
var<storage, read_write> moments: array<f32>;

fn whole(group: u32, first: u32) {
    var sum = elem(0.0);
    for (var i = first; i < SIZE; i += TEAM) {
        sum += elem(input[position(group, i)]);
    }
    let about = team_sum(first, across(sum)) / VALUES;
    var distances = elem(0.0);
    var squares = elem(0.0);
    for (var i = first; i < SIZE; i += TEAM) {
        let distance = elem(input[position(group, i)]) - about;
        distances += distance;
        squares += distance * distance;
    }
    let correction = team_sum(first, across(distances)) / VALUES;
    let variance = team_sum(first, across(squares)) / VALUES - correction * correction;
    let mean = about + correction;
    let inv_std = 1.0 / sqrt(variance + EPS);
    for (var i = first; i < SIZE; i += TEAM) {
        let at = position(group, i);
        let c = channel(group, i);
        output[at] = stored(activate((elem(input[at]) - mean) * (inv_std * gamma[c]) + beta[c]));
    }
    if first == 0u {
        moments[2u * group] = mean;
        moments[2u * group + 1u] = inv_std;
    }
}
