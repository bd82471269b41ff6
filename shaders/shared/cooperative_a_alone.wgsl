// Matrix A of shared/matmul_cooperative.wgsl is loaded as it is, so no vectors of a batch norm go with it.
//
// needs: nothing
// gives: VectorsA
// gives: vectors_a(at: u32) -> VectorsA

alias VectorsA = u32;

fn vectors_a(at: u32) -> VectorsA {
    return 0u;
}
