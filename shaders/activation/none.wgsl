// No activation.
//
// needs: elem
// gives: activate(x: elem) -> elem
// gives: activate_grad(x: elem, gradient: elem) -> elem

fn activate(x: elem) -> elem {
    return x;
}

fn activate_grad(x: elem, gradient: elem) -> elem {
    return gradient;
}
