// The results of shared/matmul_tiled.wgsl where N is a multiple of 4; keep(i, values) of the file in front puts them where
// they belong.
//
// needs: M, N, keep
// gives: store(row: u32, column: u32, split: u32, values: vec4<f32>)

fn store(row: u32, column: u32, split: u32, values: vec4<f32>) {
    if row < M && column < N {
        keep(((split * M + row) * N + column) / 4u, values);
    }
}
