// sgd.update, with momentum: velocity = MOMENTUM velocity + g,  parameter -= learning_rate * velocity, or with NESTEROV
//              learning_rate * (g + MOMENTUM velocity), where g = gradient * unscale + WEIGHT_DECAY * parameter;
//              nothing if the step is skipped
//
// Buffers      control; loss_scale if gradients are scaled; gradient, parameter, velocity [len], as `elem`
// Who          one invocation per elem; the grid covers len
// Numerics     f32; unscaling is exact, as the scale is a power of two
// Source       Sutskever et al. (2013), in PyTorch's form
// Where        memory-bound: 20 bytes per element
//
// needs: Control, MOMENTUM, NESTEROV, WEIGHT_DECAY, elem, skipped, unscale, updated
// gives: each(i: u32)

var<storage, read> control: Control;
var<storage, read> gradient: array<elem>;
var<storage, read_write> parameter: array<elem>;
var<storage, read_write> velocity: array<elem>;

fn each(i: u32) {
    if i >= arrayLength(&parameter) || skipped() {
        return;
    }
    let p = parameter[i];
    let g = gradient[i] * unscale() + WEIGHT_DECAY * p;
    let v = MOMENTUM * velocity[i] + g;
    velocity[i] = v;
    if NESTEROV {
        parameter[i] = updated(p, p - control.learning_rate * (g + MOMENTUM * v));
    } else {
        parameter[i] = updated(p, p - control.learning_rate * v);
    }
}
