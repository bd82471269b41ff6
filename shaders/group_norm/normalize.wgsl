// group_norm.forward, chunked, third dispatch: output = activate((input - mean) inv_std gamma + beta)
//
// Buffers      input, output [ROWS, C]; gamma, beta [C]; as `elem` along C
// Who          one invocation per elem of channels and CHUNK pixels of the batch, so that gamma and beta are loaded once; lanes run
//              along the channels
// Numerics     f32; the difference is taken before the scale, so that a large mean does not cancel; NaN is preserved
//
// needs: C, CHUNK, ROWS, activate, elem, of_set, stored
// gives: each(i: u32)

var<storage, read> input: array<stored>;
var<storage, read> gamma: array<elem>;
var<storage, read> beta: array<elem>;
var<storage, read_write> output: array<stored>;

fn each(i: u32) {
    let c = i % C;
    let first = i / C * CHUNK;
    let factor = gamma[c];
    let shift = beta[c];
    for (var row = first; row < min(first + CHUNK, ROWS); row++) {
        let centered = elem(input[row * C + c]) - of_set(row, c, 0u);
        output[row * C + c] = stored(activate(centered * (of_set(row, c, 1u) * factor) + shift));
    }
}
