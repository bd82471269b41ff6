// loss_scale.apply: gradient *= scale
//
// Buffers      loss_scale; gradient [len]
// Who          one invocation per element; the grid covers len
// Numerics     exact, as the scale is a power of two
// Where        only the gradient of the logits: a few kilobytes
//
// needs: LossScale, WORKGROUP, grid_index

@group(0) @binding(0) var<storage, read> loss_scale: LossScale;
@group(0) @binding(1) var<storage, read_write> gradient: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = grid_index(workgroup, workgroups) * WORKGROUP + local;
    if i < arrayLength(&gradient) {
        gradient[i] *= loss_scale.scale;
    }
}
