// cross_entropy.grad_input: grad_logits[n, c] = LOGIT_SCALE (probs[n, c] - target) / valid, 0 for n >= valid; the target is
//                           TARGET for the label and TARGET_OTHERS for the other classes, or between them for the labels of an image and
//                           the one before it
//
// Buffers      control; probs, grad_logits [N, CLASSES]; labels [N]
// Who          one invocation per element; the grid covers N CLASSES
// Numerics     one rounding each for the difference, the quotient and, unless LOGIT_SCALE is a power of two, the product
//
// needs: CLASSES, Control, LOGIT_SCALE, N, TARGET, TARGET_OTHERS, own_share
// gives: each(i: u32)

var<storage, read> control: Control;
var<storage, read> probs: array<f32>;
var<storage, read> labels: array<u32>;
var<storage, read_write> grad_logits: array<f32>;

fn each(i: u32) {
    let n = i / CLASSES;
    let c = i % CLASSES;
    let own = own_share(n);
    let before = labels[select(n - 1u, N - 1u, n == 0u)];
    let share = select(0.0, own, c == labels[n]) + select(0.0, 1.0 - own, c == before);
    let target_prob = select(TARGET_OTHERS + share * (TARGET - TARGET_OTHERS), TARGET, share == 1.0);
    let gradient = LOGIT_SCALE * ((probs[i] - target_prob) / f32(control.valid));
    grad_logits[i] = select(0.0, gradient, n < control.valid);
}
