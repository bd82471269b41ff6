// linear.grad_input: stores a finished sum, or with ACCUMULATE (later slices of the features) adds it to grad_input.
//
// Buffers      grad_input [IMAGES, IN] as `elem`
//
// needs: ACCUMULATE, elem, stored
// gives: grad_input
// gives: store(i: u32, sum: elem)

var<storage, read_write> grad_input: array<stored>;

fn store(i: u32, sum: elem) {
    if ACCUMULATE {
        grad_input[i] = stored(elem(grad_input[i]) + sum);
    } else {
        grad_input[i] = stored(sum);
    }
}
