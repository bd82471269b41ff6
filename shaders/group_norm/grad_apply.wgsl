// group_norm.grad_input, chunked, last dispatch: grad_input = inv_std (gamma g - mean of gamma g - x mean of gamma g x)
//
// Buffers      input, grad_output, grad_input [ROWS, C]; gamma, beta [C]; as `elem` along C; moments [SETS, 4] (mean,
//              inv_std, and the means of gamma g and of gamma g x)
// Who          one invocation per elem of channels and CHUNK pixels of the batch, so that gamma and beta are loaded once; lanes run along
//              the channels
// Numerics     f32
//
// needs: C, CHUNK, ROWS, activate_grad, elem, of_set, stored
// gives: each(i: u32)

var<storage, read> input: array<stored>;
var<storage, read> gamma: array<elem>;
var<storage, read> beta: array<elem>;
var<storage, read> grad_output: array<stored>;
var<storage, read_write> grad_input: array<stored>;

fn each(i: u32) {
    let c = i % C;
    let first = i / C * CHUNK;
    let factor = gamma[c];
    let shift = beta[c];
    for (var row = first; row < min(first + CHUNK, ROWS); row++) {
        let inv_std = of_set(row, c, 1u);
        let x = (elem(input[row * C + c]) - of_set(row, c, 0u)) * inv_std;
        let g = factor * activate_grad(x * factor + shift, elem(grad_output[row * C + c]));
        grad_input[row * C + c] = stored(inv_std * (g - (of_set(row, c, 2u) + x * of_set(row, c, 3u))));
    }
}
