// GELU: x P(x), P being the normal distribution function. Its gradient: P(x) + x p(x), with the density p.
//
// Numerics     P by formula 7.1.26 of Abramowitz and Stegun, whose error is at most 0.75e-7; no cancellation below 0
// Source       Hendrycks and Gimpel: "Gaussian error linear units" (2016); PyTorch's approximate="none"
//
// needs: elem
// gives: exp_half_square(x: elem) -> elem
// gives: distribution(x: elem, exponential: elem) -> elem
// gives: activate(x: elem) -> elem
// gives: activate_grad(x: elem, gradient: elem) -> elem

// exp(-x^2 / 2), finite arguments for all finite x.
fn exp_half_square(x: elem) -> elem {
    let bounded = min(abs(x), elem(13.0));
    return exp(elem(-0.5) * bounded * bounded);
}

// P(x), given exp(-x^2 / 2).
fn distribution(x: elem, exponential: elem) -> elem {
    let t = elem(1.0) / (elem(1.0) + elem(0.23164189) * abs(x));
    let inner = elem(-1.4531520) + t * elem(1.0614054);
    let middle = elem(-0.28449674) + t * (elem(1.4214138) + t * inner);
    let tail = elem(0.5) * exponential * t * (elem(0.25482959) + t * middle);
    return select(tail, elem(1.0) - tail, x > elem(0.0));
}

fn activate(x: elem) -> elem {
    return x * distribution(x, exp_half_square(x));
}

fn activate_grad(x: elem, gradient: elem) -> elem {
    let exponential = exp_half_square(x);
    return gradient * (distribution(x, exponential) + elem(0.3989423) * x * exponential);
}
