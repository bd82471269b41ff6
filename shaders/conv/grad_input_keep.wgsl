// conv.grad_input: where a finished sum goes.
//
// Buffers      grad_input [IMAGES, H, W, IN] as `elem`

@group(0) @binding(3) var<storage, read_write> grad_input: array<stored>;

fn keep(i: u32, sum: elem) {
    grad_input[i] = stored(sum);
}
