// Leaky ReLU: x above 0, SLOPE x elsewhere; NaN stays NaN. Its slope: 1 above 0, SLOPE elsewhere.
//
// Source       Maas, Hannun and Ng: "Rectifier nonlinearities improve neural network acoustic models" (2013)
//
// needs: SLOPE, elem
// gives: activate(x: elem) -> elem
// gives: activate_grad(x: elem, gradient: elem) -> elem

fn activate(x: elem) -> elem {
    return select(SLOPE * x, x, x > elem(0.0));
}

fn activate_grad(x: elem, gradient: elem) -> elem {
    return select(SLOPE * gradient, gradient, x > elem(0.0));
}
