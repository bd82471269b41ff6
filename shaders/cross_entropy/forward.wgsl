// cross_entropy.forward: probs = softmax(LOGIT_SCALE logits), loss[n] = log(sum exp(s (logits - max))) - s (logits[label] - max)
//                        with s = LOGIT_SCALE; with LABEL_SMOOTHING its mean over the smoothed target, which the image before has a share of
//
// Buffers      logits, probs [N, CLASSES]; labels, loss [N]
// Who          one workgroup per image; its invocations stride over the classes and reduce in a fixed tree
// Numerics     f32, the maximum subtracted first; a label beyond the classes has the loss NaN
//
// needs: CLASSES, LABEL_SMOOTHING, LOGIT_SCALE, N, WORKGROUP, own_share, reduce_max, reduce_sum
// gives: run(n: u32, local: u32)

var<storage, read> logits: array<f32>;
var<storage, read> labels: array<u32>;
var<storage, read_write> loss: array<f32>;
var<storage, read_write> probs: array<f32>;

fn run(n: u32, local: u32) {
    let row = n * CLASSES;
    var largest = logits[row];
    for (var c = local; c < CLASSES; c += WORKGROUP) {
        largest = max(largest, logits[row + c]);
    }
    largest = reduce_max(local, largest);
    var sum = 0.0;
    for (var c = local; c < CLASSES; c += WORKGROUP) {
        sum += exp(LOGIT_SCALE * (logits[row + c] - largest));
    }
    sum = reduce_sum(local, sum);
    for (var c = local; c < CLASSES; c += WORKGROUP) {
        probs[row + c] = exp(LOGIT_SCALE * (logits[row + c] - largest)) / sum;
    }
    var mean = 0.0;
    if LABEL_SMOOTHING > 0.0 {
        for (var c = local; c < CLASSES; c += WORKGROUP) {
            mean += logits[row + c] - largest;
        }
        mean = reduce_sum(local, mean) / f32(CLASSES);
    }
    if local == 0u {
        let label = labels[n];
        // 0 / 0 at run time: WGSL has no NaN literal.
        let invalid = (sum - sum) / (sum - sum);
        var expected = logits[row + min(label, CLASSES - 1u)] - largest;
        let share = own_share(n);
        if share != 1.0 {
            let before = labels[select(n - 1u, N - 1u, n == 0u)];
            expected = share * expected + (1.0 - share) * (logits[row + min(before, CLASSES - 1u)] - largest);
        }
        if LABEL_SMOOTHING > 0.0 {
            expected = (1.0 - LABEL_SMOOTHING) * expected + LABEL_SMOOTHING * mean;
        }
        loss[n] = select(invalid, log(sum) - LOGIT_SCALE * expected, label < CLASSES);
    }
}
