// cross_entropy.grad_input: grad_logits[n, c] = (probs[n, c] - target) / valid, 0 for n >= valid; the target is
//                           TARGET for the label and TARGET_OTHERS for the other classes
//
// Buffers      control; probs, grad_logits [N, CLASSES]; labels [N]
// Who          one invocation per element; the grid covers N CLASSES
// Numerics     one rounding each for the difference and the quotient
//
// needs: CLASSES, Control, TARGET, TARGET_OTHERS
// gives: each(i: u32)

var<storage, read> control: Control;
var<storage, read> probs: array<f32>;
var<storage, read> labels: array<u32>;
var<storage, read_write> grad_logits: array<f32>;

fn each(i: u32) {
    let n = i / CLASSES;
    let target_prob = select(TARGET_OTHERS, TARGET, i % CLASSES == labels[n]);
    let gradient = (probs[i] - target_prob) / f32(control.valid);
    grad_logits[i] = select(0.0, gradient, n < control.valid);
}
