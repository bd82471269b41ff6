// linear.update: applies a step of Adam, adam/step.wgsl, to a weight with its finished gradient.
//
// Where        saves the gradient's write and read: 8 of the 36 bytes of traffic of a weight's gradient and step
//
// needs: adam_rates, adam_step, elem
// gives: store(i: u32, gradient: elem)

fn store(i: u32, gradient: elem) {
    adam_step(i, gradient, adam_rates());
}
