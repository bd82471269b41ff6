// CELU: x above 0, SLOPE (exp(x / SLOPE) - 1) elsewhere, SLOPE being alpha; NaN stays NaN. Its slope: 1 above 0, exp(x / SLOPE) elsewhere.
//
// Numerics     the difference cancels near 0, where its error is at most a rounding of SLOPE
// Source       Barron: "Continuously differentiable exponential linear units" (2017)
//
// needs: SLOPE, elem
// gives: exp_below(x: elem) -> elem
// gives: activate(x: elem) -> elem
// gives: activate_grad(x: elem, gradient: elem) -> elem

// 1 above 0.
fn exp_below(x: elem) -> elem {
    return exp(select(x, elem(0.0), x > elem(0.0)) / SLOPE);
}

fn activate(x: elem) -> elem {
    return select(SLOPE * (exp_below(x) - elem(1.0)), x, x > elem(0.0));
}

fn activate_grad(x: elem, gradient: elem) -> elem {
    return gradient * exp_below(x);
}
