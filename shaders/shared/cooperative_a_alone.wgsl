// Matrix A of shared/matmul_cooperative.wgsl is loaded without a prologue, so there are no batch norm vectors.
//
// needs: nothing
// gives: VectorsA
// gives: vectors_a(at: u32) -> VectorsA

alias VectorsA = u32;

fn vectors_a(at: u32) -> VectorsA {
    return 0u;
}
