// metrics.accumulate: metrics += [sum of loss, correct answers, images, 0] over the valid images
//
// Buffers      control; loss, labels [N]; probs [N, CLASSES]; metrics [4]
// Who          a single workgroup, whose invocations stride over the images and reduce in a fixed tree
// Numerics     f32; counts are exact to 2^24; the answer is the first maximum of the probabilities
//
// needs: CLASSES, Control, N, WORKGROUP, reduce_sum
// gives: run(group: u32, local: u32)

var<storage, read> control: Control;
var<storage, read> loss: array<f32>;
var<storage, read> probs: array<f32>;
var<storage, read> labels: array<u32>;
var<storage, read_write> metrics: array<f32, 4>;

fn run(group: u32, local: u32) {
    let valid = min(control.valid, N);
    var loss_sum = 0.0;
    var correct = 0.0;
    for (var n = local; n < valid; n += WORKGROUP) {
        var answer = 0u;
        var best = probs[n * CLASSES];
        for (var c = 1u; c < CLASSES; c++) {
            let p = probs[n * CLASSES + c];
            if p > best {
                best = p;
                answer = c;
            }
        }
        loss_sum += loss[n];
        correct += select(0.0, 1.0, answer == labels[n]);
    }
    loss_sum = reduce_sum(local, loss_sum);
    correct = reduce_sum(local, correct);
    if local == 0u {
        metrics[0] += loss_sum;
        metrics[1] += correct;
        metrics[2] += f32(valid);
    }
}
