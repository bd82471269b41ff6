// Epilogue of shared/matmul_tiled.wgsl without statistics.
//
// needs: nothing
// gives: finish(row0: u32, column0: u32, mine_m: u32, mine_n: u32, q00: mat4x4<f32>, q01: mat4x4<f32>, q10: mat4x4<f32>, q11: mat4x4<f32>)

fn finish(
    row0: u32, column0: u32, mine_m: u32, mine_n: u32,
    q00: mat4x4<f32>, q01: mat4x4<f32>, q10: mat4x4<f32>, q11: mat4x4<f32>,
) {}
