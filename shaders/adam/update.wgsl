// adam.update: a step of Adam, adam/step.wgsl, on every element; nothing if the step is skipped
//
// Buffers      those of the step; loss_scale if gradients are scaled; gradient [len], as `elem`
// Who          one invocation per elem; the grid covers len
// Numerics     those of the step
// Where        memory-bound: 28 bytes per element
//
// needs: adam_rates, adam_step, elem, parameter, skipped
// gives: each(i: u32)

var<storage, read> gradient: array<elem>;

fn each(i: u32) {
    let rates = adam_rates();
    if i >= arrayLength(&parameter) || skipped() {
        return;
    }
    adam_step(i, gradient[i], rates);
}
