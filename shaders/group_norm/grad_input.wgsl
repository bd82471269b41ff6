// group_norm.grad_input, in one dispatch: grad_input = inv_std (gamma g - mean of gamma g - x mean of gamma g x), where
// x = (input - mean) inv_std and g is grad_output times the activation's slope at x gamma + beta
//
// Buffers      input, grad_output, grad_input [IMAGES, PIXELS, C]; gamma, beta [C]; as `elem` along C; moments [SETS, 2]
// Who          TEAM invocations per set, a workgroup or a single one, which read it twice; lanes run along the channels
// Numerics     each invocation adds in order, a workgroup in a fixed tree
// Where        as group_norm.forward in one dispatch
//
// needs: SIZE, TEAM, VALUES, across, activate_grad, channel, elem, position, stored, team_sum
// gives: input, gamma, beta, moments, grad_output, grad_input
// gives: whole(group: u32, first: u32)

var<storage, read> input: array<stored>;
var<storage, read> gamma: array<elem>;
var<storage, read> beta: array<elem>;
var<storage, read> moments: array<f32>;
var<storage, read> grad_output: array<stored>;
var<storage, read_write> grad_input: array<stored>;

fn whole(group: u32, first: u32) {
    let mean = moments[2u * group];
    let inv_std = moments[2u * group + 1u];
    var plain = elem(0.0);
    var weighted = elem(0.0);
    for (var i = first; i < SIZE; i += TEAM) {
        let at = position(group, i);
        let c = channel(group, i);
        let x = (elem(input[at]) - mean) * inv_std;
        let g = gamma[c] * activate_grad(x * gamma[c] + beta[c], elem(grad_output[at]));
        plain += g;
        weighted += g * x;
    }
    let mean_plain = team_sum(first, across(plain)) / VALUES;
    let mean_weighted = team_sum(first, across(weighted)) / VALUES;
    for (var i = first; i < SIZE; i += TEAM) {
        let at = position(group, i);
        let c = channel(group, i);
        let x = (elem(input[at]) - mean) * inv_std;
        let g = gamma[c] * activate_grad(x * gamma[c] + beta[c], elem(grad_output[at]));
        grad_input[at] = stored(inv_std * (g - (mean_plain + x * mean_weighted)));
    }
}
