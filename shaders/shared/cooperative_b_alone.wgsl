// Matrix B of shared/matmul_cooperative.wgsl is loaded as it is, so no vectors of a batch norm go with it.
//
// needs: nothing
// gives: VectorsB
// gives: vectors_b(at: u32) -> VectorsB

alias VectorsB = u32;

fn vectors_b(at: u32) -> VectorsB {
    return 0u;
}
