// loss_scale.apply: gradient *= scale
//
// Buffers      loss_scale; gradient [len]
// Who          one invocation per element; the grid covers len
// Numerics     exact, as the scale is a power of two
// Where        only the gradient of the logits: a few kilobytes
//
// needs: LossScale
// gives: each(i: u32)

var<storage, read> loss_scale: LossScale;
var<storage, read_write> gradient: array<f32>;

fn each(i: u32) {
    if i < arrayLength(&gradient) {
        gradient[i] *= loss_scale.scale;
    }
}
