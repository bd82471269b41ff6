// Winograd, the values that are transformed: the gradient of the output, through prologue/grad_*.wgsl.
//
// needs: GradVectors, grad_at, grad_elem, grad_vectors
// gives: vectors_of(c: u32) -> GradVectors
// gives: value(at: u32, vectors: GradVectors) -> grad_elem

fn vectors_of(c: u32) -> GradVectors {
    return grad_vectors(c);
}

fn value(at: u32, vectors: GradVectors) -> grad_elem {
    return grad_at(at, vectors);
}
