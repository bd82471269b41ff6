// ReLU: max(x, 0); NaN stays NaN. Its slope: 1 above 0, SLOPE at exactly 0, 0 below.
//
// Source       PyTorch's slope at 0 is 0; the paper's torch.max(x, 0) splits ties, so it is 1/2
//
// needs: SLOPE, elem
// gives: activate(x: elem) -> elem
// gives: activate_grad(x: elem, gradient: elem) -> elem

fn activate(x: elem) -> elem {
    return select(x, elem(0.0), x < elem(0.0));
}

fn activate_grad(x: elem, gradient: elem) -> elem {
    let not_above = select(elem(0.0), SLOPE * gradient, x == elem(0.0));
    return select(not_above, gradient, x > elem(0.0));
}
