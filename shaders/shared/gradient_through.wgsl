// How a kernel reads the gradient of an output: through the backward pass of ReLU and batch norm,
// scale g - (offset + slope (output - mean)), where g is grad_output, times ReLU's slope at (output - mean) scale + shift, which is GRAD_AT_ZERO at exactly 0.
//
// Buffers      grad_output, output as `grad_stored`; grad_affine [5, GRAD_C] (mean, scale, shift, offset, slope) as
//              `grad_elem` along the channels
//
// needs: GRAD_AT_ZERO, GRAD_C, grad_elem, grad_stored
// gives: grad_output, output, grad_affine
// gives: gradient_vectors(c: u32) -> array<grad_elem, 5>
// gives: gradient_by(i: u32, vectors: array<grad_elem, 5>) -> grad_elem

@group(0) @binding(5) var<storage, read> grad_output: array<grad_stored>;
@group(0) @binding(8) var<storage, read> output: array<grad_stored>;
@group(0) @binding(9) var<storage, read> grad_affine: array<grad_elem>;

fn gradient_vectors(c: u32) -> array<grad_elem, 5> {
    return array<grad_elem, 5>(
        grad_affine[c],
        grad_affine[GRAD_C + c],
        grad_affine[2u * GRAD_C + c],
        grad_affine[3u * GRAD_C + c],
        grad_affine[4u * GRAD_C + c],
    );
}

fn gradient_by(i: u32, vectors: array<grad_elem, 5>) -> grad_elem {
    let zero = grad_elem(0.0);
    let centered = grad_elem(output[i]) - vectors[0];
    let y = centered * vectors[1] + vectors[2];
    let behind = grad_elem(grad_output[i]);
    let g = select(select(zero, GRAD_AT_ZERO * behind, y == zero), behind, y > zero);
    return vectors[1] * g - (vectors[3] + vectors[4] * centered);
}
