// batch_norm.grad_input: grad_input = scale g - (offset + slope (input - mean)), where g is grad_output, times the activation's slope
// at (input - mean) scale + shift
//
// Buffers      input, grad_output, grad_input [ROWS, C]; grad_affine [5, C] (mean, scale, shift, offset, slope); as `elem`
// Who          as batch_norm.normalize: one invocation per elem of channels and CHUNK rows
// Numerics     f32
// Where        before kernels whose prologue does not differentiate batch norm and activation
//
// needs: C, CHUNK, ROWS, WORKGROUP, activate_grad, elem, grid_index, stored

@group(0) @binding(0) var<storage, read> input: array<stored>;
@group(0) @binding(1) var<storage, read> grad_affine: array<elem>;
@group(0) @binding(2) var<storage, read> grad_output: array<stored>;
@group(0) @binding(3) var<storage, read_write> grad_input: array<stored>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = grid_index(workgroup, workgroups) * WORKGROUP + local;
    let c = i % C;
    let first = i / C * CHUNK;
    if first >= ROWS {
        return;
    }
    let mean = grad_affine[c];
    let scale = grad_affine[C + c];
    let shift = grad_affine[2u * C + c];
    let offset = grad_affine[3u * C + c];
    let slope = grad_affine[4u * C + c];
    for (var row = first; row < min(first + CHUNK, ROWS); row++) {
        let at = row * C + c;
        let centered = elem(input[at]) - mean;
        let g = activate_grad(centered * scale + shift, elem(grad_output[at]));
        grad_input[at] = stored(scale * g - (offset + slope * centered));
    }
}
