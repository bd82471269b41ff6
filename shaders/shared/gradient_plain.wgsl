// How a kernel reads the gradient of an output: as it is.
//
// Buffers      grad_output, as `grad_stored`
//
// needs: grad_elem, grad_stored
// gives: grad_output
// gives: gradient_vectors(c: u32) -> array<grad_elem, 5>
// gives: gradient_by(i: u32, vectors: array<grad_elem, 5>) -> grad_elem

@group(0) @binding(5) var<storage, read> grad_output: array<grad_stored>;

fn gradient_vectors(c: u32) -> array<grad_elem, 5> {
    return array<grad_elem, 5>();
}

fn gradient_by(i: u32, vectors: array<grad_elem, 5>) -> grad_elem {
    return grad_elem(grad_output[i]);
}
