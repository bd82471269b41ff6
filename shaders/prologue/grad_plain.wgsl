// No prologue: the gradient of an output is loaded unchanged.
//
// Buffers      grad_output, as `grad_stored`
//
// needs: grad_elem, grad_stored
// gives: grad_output, GradVectors
// gives: grad_vectors(c: u32) -> GradVectors
// gives: grad_at(i: u32, vectors: GradVectors) -> grad_elem

var<storage, read> grad_output: array<grad_stored>;

// Channels have no values here; WGSL has no empty structs.
struct GradVectors {
    nothing: grad_elem,
}

fn grad_vectors(c: u32) -> GradVectors {
    return GradVectors();
}

fn grad_at(i: u32, vectors: GradVectors) -> grad_elem {
    return grad_elem(grad_output[i]);
}
