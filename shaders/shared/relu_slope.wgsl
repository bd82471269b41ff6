// What ReLU passes on of a gradient, `y` being its input: the gradient above 0, AT_ZERO of it at exactly 0. Without RELU
// everything.
//
// needs: AT_ZERO, RELU, bools, elem
// gives: passed(y: elem, gradient: elem) -> elem

fn passed(y: elem, gradient: elem) -> elem {
    let not_above = select(elem(0.0), AT_ZERO * gradient, y == elem(0.0));
    return select(not_above, gradient, (y > elem(0.0)) | bools(!RELU));
}
