// Matrix B of shared/matmul_cooperative.wgsl is loaded as it is: no vectors are needed for it.
//
// needs: nothing
// gives: VectorsB
// gives: vectors_b(at: u32) -> VectorsB

alias VectorsB = u32;

fn vectors_b(at: u32) -> VectorsB {
    return 0u;
}
