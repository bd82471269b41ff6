// How a kernel reads its input: through batch norm and ReLU, relu((x - mean) scale + shift); NaN stays NaN. VECTORS
// is the number of channels in units of `elem`.
//
// Buffers      affine [4, VECTORS] as `elem`: mean, scale, shift, inverse standard deviation
//
// needs: VECTORS, elem
// gives: affine
// gives: activation(c: u32) -> array<elem, 3>
// gives: activated(x: elem, vectors: array<elem, 3>) -> elem

@group(0) @binding(7) var<storage, read> affine: array<elem>;

fn activation(c: u32) -> array<elem, 3> {
    return array<elem, 3>(affine[c], affine[VECTORS + c], affine[2u * VECTORS + c]);
}

fn activated(x: elem, vectors: array<elem, 3>) -> elem {
    let y = (x - vectors[0]) * vectors[1] + vectors[2];
    return select(y, elem(0.0), y < elem(0.0));
}
