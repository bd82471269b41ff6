// SiLU: x s, s being the sigmoid 1 / (1 + exp(-x)). Its gradient: s (1 + x (1 - s)), where 1 - s = exp(-x) s does not cancel.
//
// Numerics     exp(-x) stays finite: below -80 the result is 0 within the smallest normal f32
// Source       Elfwing, Uchibe and Doya: "Sigmoid-weighted linear units for neural network function approximation" (2018)
//
// needs: elem
// gives: exp_minus(x: elem) -> elem
// gives: activate(x: elem) -> elem
// gives: activate_grad(x: elem, gradient: elem) -> elem

fn exp_minus(x: elem) -> elem {
    return exp(min(-x, elem(80.0)));
}

fn activate(x: elem) -> elem {
    return x / (elem(1.0) + exp_minus(x));
}

fn activate_grad(x: elem, gradient: elem) -> elem {
    let exponential = exp_minus(x);
    let s = elem(1.0) / (elem(1.0) + exponential);
    return gradient * (s * (elem(1.0) + x * (exponential * s)));
}
