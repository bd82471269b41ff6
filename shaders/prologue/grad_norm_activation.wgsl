// Prologue: the gradient of an output back through the activation and batch norm,
// scale g - (offset + slope (output - mean)), where g is grad_output times the activation's slope at (output - mean) scale + shift.
//
// Buffers      grad_output, output as `grad_stored`; grad_affine [5, GRAD_C] (mean, scale, shift, offset, slope) as
//              `grad_elem` along the channels
//
// needs: GRAD_C, grad_activate_grad, grad_elem, grad_stored
// gives: grad_output, output, grad_affine, GradVectors
// gives: grad_vectors(c: u32) -> GradVectors
// gives: grad_at(i: u32, vectors: GradVectors) -> grad_elem

var<storage, read> grad_output: array<grad_stored>;
var<storage, read> output: array<grad_stored>;
var<storage, read> grad_affine: array<grad_elem>;

struct GradVectors {
    mean: grad_elem,
    scale: grad_elem,
    shift: grad_elem,
    offset: grad_elem,
    slope: grad_elem,
}

fn grad_vectors(c: u32) -> GradVectors {
    return GradVectors(
        grad_affine[c],
        grad_affine[GRAD_C + c],
        grad_affine[2u * GRAD_C + c],
        grad_affine[3u * GRAD_C + c],
        grad_affine[4u * GRAD_C + c],
    );
}

fn grad_at(i: u32, vectors: GradVectors) -> grad_elem {
    let centered = grad_elem(output[i]) - vectors.mean;
    let g = grad_activate_grad(centered * vectors.scale + vectors.shift, grad_elem(grad_output[i]));
    return vectors.scale * g - (vectors.offset + vectors.slope * centered);
}
