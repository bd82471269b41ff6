// How a kernel reads the gradient of an output: as it is.
//
// Buffers      grad_output, as `grad_stored`

@group(0) @binding(5) var<storage, read> grad_output: array<grad_stored>;

fn gradient_at(i: u32, c: u32) -> grad_elem {
    return grad_elem(grad_output[i]);
}
