// adam.scaled_update: adam.update on gradient * unscale, with the corrections of loss_scale; nothing where skip is 1
//
// Buffers      control; loss_scale; gradient, parameter, m, v [len], as `elem`
// Who          one invocation an elem; the grid covers len
// Numerics     f32; unscaling is exact, as the scale is a power of two
// Source       Kingma and Ba (2015), EPS outside the root as in PyTorch
// Where        memory-bound: 28 bytes an element

@group(0) @binding(0) var<storage, read> control: Control;
@group(0) @binding(1) var<storage, read> loss_scale: LossScale;
@group(0) @binding(2) var<storage, read> gradient: array<elem>;
@group(0) @binding(3) var<storage, read_write> parameter: array<elem>;
@group(0) @binding(4) var<storage, read_write> m: array<elem>;
@group(0) @binding(5) var<storage, read_write> v: array<elem>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = grid_index(workgroup, workgroups) * WORKGROUP + local;
    if i >= arrayLength(&parameter) || loss_scale.skip != 0.0 {
        return;
    }
    let p = parameter[i];
    let g = gradient[i] * loss_scale.unscale + WEIGHT_DECAY * p;
    let m_new = BETA1 * m[i] + ONE_MINUS_BETA1 * g;
    let v_new = BETA2 * v[i] + ONE_MINUS_BETA2 * g * g;
    m[i] = m_new;
    v[i] = v_new;
    let denominator = sqrt(v_new / loss_scale.bias_correction2) + elem(EPS);
    parameter[i] = p - control.learning_rate * (m_new / loss_scale.bias_correction1) / denominator;
}
