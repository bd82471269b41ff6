// group_norm.grad_input, in one dispatch: grad_input = inv_std (gamma g - mean of gamma g - x mean of gamma g x), where
// x = (input - mean) inv_std and g is grad_output times the activation's slope at x gamma + beta
//
// Buffers      input, grad_output, grad_input [IMAGES, PIXELS, C]; gamma, beta [C]; as `elem` along C; moments [SETS, 2]
// Who          TEAM invocations per set, a workgroup or a single one, which read it twice; lanes run along the channels
// Numerics     each invocation adds in order, a workgroup in a fixed tree
// Where        as group_norm.forward in one dispatch
//
// needs: COUNT, SETS, SIZE, TEAM, WORKGROUP, across, activate_grad, channel, elem, grid_index, position, reduce_sum, stored

@group(0) @binding(0) var<storage, read> input: array<stored>;
@group(0) @binding(1) var<storage, read> gamma: array<elem>;
@group(0) @binding(2) var<storage, read> beta: array<elem>;
@group(0) @binding(3) var<storage, read> moments: array<f32>;
@group(0) @binding(4) var<storage, read> grad_output: array<stored>;
@group(0) @binding(5) var<storage, read_write> grad_input: array<stored>;

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
    let own = min(group, SETS - 1u);
    let mean = moments[2u * own];
    let inv_std = moments[2u * own + 1u];
    var plain = elem(0.0);
    var weighted = elem(0.0);
    for (var i = first; i < end; i += TEAM) {
        let at = position(group, i);
        let c = channel(group, i);
        let x = (elem(input[at]) - mean) * inv_std;
        let g = gamma[c] * activate_grad(x * gamma[c] + beta[c], elem(grad_output[at]));
        plain += g;
        weighted += g * x;
    }
    let mean_plain = team_sum(local, across(plain)) / COUNT;
    let mean_weighted = team_sum(local, across(weighted)) / COUNT;
    for (var i = first; i < end; i += TEAM) {
        let at = position(group, i);
        let c = channel(group, i);
        let x = (elem(input[at]) - mean) * inv_std;
        let g = gamma[c] * activate_grad(x * gamma[c] + beta[c], elem(grad_output[at]));
        grad_input[at] = stored(inv_std * (g - (mean_plain + x * mean_weighted)));
    }
}
