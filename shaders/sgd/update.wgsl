// sgd.update, without momentum: parameter -= learning_rate * g, where g = gradient * unscale + WEIGHT_DECAY * parameter;
//              nothing if the step is skipped
//
// Buffers      control; loss_scale if gradients are scaled; gradient, parameter [len], as `elem`
// Who          one invocation per elem; the grid covers len
// Numerics     f32; unscaling is exact, as the scale is a power of two
// Where        memory-bound: 12 bytes per element
//
// needs: Control, WEIGHT_DECAY, WORKGROUP, elem, grid_index, skipped, unscale

@group(0) @binding(0) var<storage, read> control: Control;
@group(0) @binding(1) var<storage, read> gradient: array<elem>;
@group(0) @binding(2) var<storage, read_write> parameter: array<elem>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = grid_index(workgroup, workgroups) * WORKGROUP + local;
    if i >= arrayLength(&parameter) || skipped() {
        return;
    }
    let p = parameter[i];
    let g = gradient[i] * unscale() + WEIGHT_DECAY * p;
    parameter[i] = p - control.learning_rate * g;
}
