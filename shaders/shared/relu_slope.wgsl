// The backward pass of ReLU at its input `y`: the gradient where y is above 0, AT_ZERO of it where y is exactly 0, 0 below. Without
// RELU the gradient as it is.
//
// needs: AT_ZERO, RELU, bools, elem
// gives: passed(y: elem, gradient: elem) -> elem

fn passed(y: elem, gradient: elem) -> elem {
    let not_above = select(elem(0.0), AT_ZERO * gradient, y == elem(0.0));
    return select(not_above, gradient, (y > elem(0.0)) | bools(!RELU));
}
