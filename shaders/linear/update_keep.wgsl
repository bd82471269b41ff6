// linear.update: where a finished gradient goes: into a step of Adam, adam/step.wgsl, on the weight that it belongs to.
//
// Where        it saves the gradient's write and its read, 8 of the 36 bytes that a weight's gradient and step move
//
// needs: adam_rates, adam_step, elem
// gives: keep(i: u32, gradient: elem)

fn keep(i: u32, gradient: elem) {
    adam_step(i, gradient, adam_rates());
}
