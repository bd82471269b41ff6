// adam.update: m = BETA1 m + (1 - BETA1) g,  v = BETA2 v + (1 - BETA2) g^2,
//              parameter -= learning_rate * (m / correction1) / (sqrt(v / correction2) + EPS),
//              where g = gradient + WEIGHT_DECAY * parameter
//
// Buffers      control; gradient, parameter, m, v [len], as `elem`
// Who          one invocation an elem; the grid covers len
// Numerics     f32; the corrections 1 - beta^step are computed by the host in f64
// Source       Kingma and Ba (2015), EPS outside the root as in PyTorch
// Where        memory-bound: 28 bytes an element

@group(0) @binding(0) var<storage, read> control: Control;
@group(0) @binding(1) var<storage, read> gradient: array<elem>;
@group(0) @binding(2) var<storage, read_write> parameter: array<elem>;
@group(0) @binding(3) var<storage, read_write> m: array<elem>;
@group(0) @binding(4) var<storage, read_write> v: array<elem>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = grid_index(workgroup, workgroups) * WORKGROUP + local;
    if i >= arrayLength(&parameter) {
        return;
    }
    let p = parameter[i];
    let g = gradient[i] + WEIGHT_DECAY * p;
    let m_new = BETA1 * m[i] + ONE_MINUS_BETA1 * g;
    let v_new = BETA2 * v[i] + ONE_MINUS_BETA2 * g * g;
    m[i] = m_new;
    v[i] = v_new;
    let denominator = sqrt(v_new / control.bias_correction2) + elem(EPS);
    parameter[i] = p - control.learning_rate * (m_new / control.bias_correction1) / denominator;
}
