// l1_penalty.apply: gradient += STRENGTH * scale * sign(parameter)
//
// Buffers      loss_scale if gradients are scaled; parameter, gradient [len], as `elem`
// Who          one invocation per elem; the grid covers len
// Numerics     f32; scaling is exact, as the scale is a power of two; nothing is added where the parameter is 0
// Source       Liu et al. (2017): network slimming
// Where        only batch norm's gamma: a few kilobytes
//
// needs: STRENGTH, elem, scale
// gives: each(i: u32)

var<storage, read> parameter: array<elem>;
var<storage, read_write> gradient: array<elem>;

fn each(i: u32) {
    if i < arrayLength(&gradient) {
        gradient[i] += STRENGTH * scale() * sign(parameter[i]);
    }
}
