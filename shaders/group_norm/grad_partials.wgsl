// group_norm.grad_input: sums of g and of g x of each channel over each chunk of pixels, where x = (input - mean) inv_std and g is
// grad_output times the activation's slope at x gamma + beta
//
// Buffers      input, grad_output [PARTS, ROWS, C]; gamma, beta [C]; workspace [PARTS, CHUNKS, 2, C]; as `elem` along C
// Who          one invocation per elem of channels and one chunk of CHUNK pixels of a part of the batch: an image, or everything;
//              lanes run along the channels
// Numerics     f32; the pixels of a chunk are added in order
//
// needs: C, CHUNK, CHUNKS, ROWS, activate_grad, elem, of_set, stored
// gives: each(i: u32)

var<storage, read> input: array<stored>;
var<storage, read> gamma: array<elem>;
var<storage, read> beta: array<elem>;
var<storage, read> grad_output: array<stored>;
var<storage, read_write> workspace: array<elem>;

fn each(i: u32) {
    let c = i % C;
    let chunk = i / C;
    let part = chunk / CHUNKS * ROWS;
    let first = part + chunk % CHUNKS * CHUNK;
    let factor = gamma[c];
    let shift = beta[c];
    var plain = elem(0.0);
    var weighted = elem(0.0);
    for (var row = first; row < min(first + CHUNK, part + ROWS); row++) {
        let x = (elem(input[row * C + c]) - of_set(row, c, 0u)) * of_set(row, c, 1u);
        let g = activate_grad(x * factor + shift, elem(grad_output[row * C + c]));
        plain += g;
        weighted += g * x;
    }
    workspace[(chunk * 2u) * C + c] = plain;
    workspace[(chunk * 2u + 1u) * C + c] = weighted;
}
