// Matrix B of shared/matmul_cooperative.wgsl is loaded without a prologue, so there are no batch norm vectors.
//
// needs: nothing
// gives: VectorsB
// gives: vectors_b(at: u32) -> VectorsB

alias VectorsB = u32;

fn vectors_b(at: u32) -> VectorsB {
    return 0u;
}
