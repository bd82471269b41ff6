// linear.update: takes a step of Adam, adam/step.wgsl, with a finished gradient on its weight.
//
// Where        it saves the gradient's write and its read, 8 of the 36 bytes that a weight's gradient and step move
//
// needs: adam_rates, adam_step, elem
// gives: keep(i: u32, gradient: elem)

fn keep(i: u32, gradient: elem) {
    adam_step(i, gradient, adam_rates());
}
