// adam.update: a step of Adam, adam/step.wgsl, on every element; nothing if the step is skipped
//
// Buffers      those of the step; loss_scale if gradients are scaled; gradient [len], as `elem`
// Who          one invocation per elem; the grid covers len
// Numerics     those of the step
// Where        memory-bound: 28 bytes per element
//
// needs: WORKGROUP, adam_rates, adam_step, elem, grid_index, parameter, skipped

@group(0) @binding(0) var<storage, read> gradient: array<elem>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let rates = adam_rates();
    let i = grid_index(workgroup, workgroups) * WORKGROUP + local;
    if i >= arrayLength(&parameter) || skipped() {
        return;
    }
    adam_step(i, gradient[i], rates);
}
