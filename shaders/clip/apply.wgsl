// clip.apply: gradient *= min(1, MAX_NORM / (sqrt(squares) * unscale + EPS))
//
// Buffers      squares [1]; loss_scale if gradients are scaled; gradient [len], as `elem`
// Who          one invocation per elem; the grid covers len
// Numerics     f32; a NaN norm makes all gradients NaN
// Source       Pascanu et al. (2013), as PyTorch's clip_grad_norm_
// Where        memory-bound: 8 bytes per element; nothing is written if the factor is 1
//
// needs: EPS, MAX_NORM, elem, unscale
// gives: each(i: u32)

var<storage, read> squares: array<f32>;
var<storage, read_write> gradient: array<elem>;

fn each(i: u32) {
    let factor = MAX_NORM / (sqrt(squares[0]) * unscale() + EPS);
    if i >= arrayLength(&gradient) || factor >= 1.0 {
        return;
    }
    gradient[i] *= factor;
}
