// max_pool.forward: output[n, p, q, c] = max over the KERNEL x KERNEL window at (p STRIDE_H, q STRIDE_W)
//
// Buffers      input [N, H, W, C], through prologue/input_*.wgsl; output [N, P, Q, C]; as `elem` along C
// Who          one invocation per elem of the output; the grid covers N P Q C
// Numerics     exact; a NaN in the window is its maximum, as in PyTorch
//
// needs: C, N, P, Q, WORKGROUP, choose, grid_index, stored

@group(0) @binding(1) var<storage, read_write> output: array<stored>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = grid_index(workgroup, workgroups) * WORKGROUP + local;
    if i >= N * P * Q * C {
        return;
    }
    let c = i % C;
    let q = i / C % Q;
    let p = i / (C * Q) % P;
    let n = i / (C * Q * P);
    output[i] = stored(choose(n, p, q, c).best);
}
