// conv.grad_input: stores a finished sum and returns the stored value.
//
// Buffers      grad_input [IMAGES, H, W, IN] as `elem`
//
// needs: elem, stored
// gives: grad_input
// gives: store(i: u32, sum: elem) -> elem

var<storage, read_write> grad_input: array<stored>;

fn store(i: u32, sum: elem) -> elem {
    let gradient = stored(sum);
    grad_input[i] = gradient;
    return elem(gradient);
}
