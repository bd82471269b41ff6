// sgd.update, without momentum: parameter -= learning_rate * g, where g = gradient * unscale + WEIGHT_DECAY * parameter;
//              nothing if the step is skipped
//
// Buffers      control; loss_scale if gradients are scaled; gradient, parameter [len], as `elem`
// Who          one invocation per elem; the grid covers len
// Numerics     f32; unscaling is exact, as the scale is a power of two
// Where        memory-bound: 12 bytes per element
//
// needs: Control, WEIGHT_DECAY, elem, skipped, unscale, updated
// gives: each(i: u32)

var<storage, read> control: Control;
var<storage, read> gradient: array<elem>;
var<storage, read_write> parameter: array<elem>;

fn each(i: u32) {
    if i >= arrayLength(&parameter) || skipped() {
        return;
    }
    let p = parameter[i];
    let g = gradient[i] * unscale() + WEIGHT_DECAY * p;
    parameter[i] = updated(p, p - control.learning_rate * g);
}
