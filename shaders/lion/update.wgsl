// lion.update: parameter -= learning_rate * (sign(BETA1 m + (1 - BETA1) g) + WEIGHT_DECAY * parameter), then
//              m = BETA2 m + (1 - BETA2) g, where g = gradient * unscale; nothing if the step is skipped
//
// Buffers      control; loss_scale if gradients are scaled; gradient, parameter, m [len], as `elem`
// Who          one invocation per elem; the grid covers len
// Numerics     f32; unscaling is exact, as the scale is a power of two
// Source       Chen et al. (2023), algorithm 2
// Where        memory-bound: 20 bytes per element
//
// needs: BETA1, BETA2, Control, ONE_MINUS_BETA1, ONE_MINUS_BETA2, WEIGHT_DECAY, elem, skipped, unscale
// needs: updated
// gives: each(i: u32)

var<storage, read> control: Control;
var<storage, read> gradient: array<elem>;
var<storage, read_write> parameter: array<elem>;
var<storage, read_write> m: array<elem>;

fn each(i: u32) {
    if i >= arrayLength(&parameter) || skipped() {
        return;
    }
    let g = gradient[i] * unscale();
    let p = parameter[i];
    let step = sign(BETA1 * m[i] + ONE_MINUS_BETA1 * g) + WEIGHT_DECAY * p;
    parameter[i] = updated(p, p - control.learning_rate * step);
    m[i] = BETA2 * m[i] + ONE_MINUS_BETA2 * g;
}
