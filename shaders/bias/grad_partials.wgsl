// bias.grad, first dispatch: sums of grad_output over each chunk of rows
//
// Buffers      grad_output [ROWS, C] and workspace [CHUNKS, C], as `elem` along C
// Who          one invocation per elem of channels and one chunk of CHUNK rows; lanes run along the channels
// Numerics     f32; the rows of a chunk are added in order
//
// needs: C, CHUNK, CHUNKS, ROWS, WORKGROUP, elem, grid_index, stored

@group(0) @binding(0) var<storage, read> grad_output: array<stored>;
@group(0) @binding(1) var<storage, read_write> workspace: array<elem>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = grid_index(workgroup, workgroups) * WORKGROUP + local;
    let c = i % C;
    let chunk = i / C;
    if chunk >= CHUNKS {
        return;
    }
    var sum = elem(0.0);
    for (var row = chunk * CHUNK; row < min(chunk * CHUNK + CHUNK, ROWS); row++) {
        sum += elem(grad_output[row * C + c]);
    }
    workspace[chunk * C + c] = sum;
}
