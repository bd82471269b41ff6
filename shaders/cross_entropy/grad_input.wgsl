// cross_entropy.grad_input: grad_logits[n, c] = (probs[n, c] - target) / valid, 0 for n >= valid; the target is
//                           TARGET for the label and TARGET_OTHERS for the other classes
//
// Buffers      control; probs, grad_logits [N, CLASSES]; labels [N]
// Who          one invocation per element; the grid covers N CLASSES
// Numerics     one rounding each for the difference and the quotient
//
// needs: CLASSES, Control, N, TARGET, TARGET_OTHERS, WORKGROUP, grid_index

@group(0) @binding(0) var<storage, read> control: Control;
@group(0) @binding(1) var<storage, read> probs: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> grad_logits: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = grid_index(workgroup, workgroups) * WORKGROUP + local;
    if i >= N * CLASSES {
        return;
    }
    let n = i / CLASSES;
    let target_prob = select(TARGET_OTHERS, TARGET, i % CLASSES == labels[n]);
    let gradient = (probs[i] - target_prob) / f32(control.valid);
    grad_logits[i] = select(0.0, gradient, n < control.valid);
}
