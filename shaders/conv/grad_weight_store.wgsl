// conv.grad_weight, last dispatch: stores a finished sum, or with ACCUMULATE adds it to grad_weight.
//
// Buffers      grad_weight [3, 3, IN, OUT] as `elem`
//
// needs: ACCUMULATE, elem
// gives: grad_weight
// gives: store(i: u32, sum: elem)

var<storage, read_write> grad_weight: array<elem>;

fn store(i: u32, sum: elem) {
    if ACCUMULATE {
        grad_weight[i] += sum;
    } else {
        grad_weight[i] = sum;
    }
}
