// Winograd, output transform of a gradient: the sums over each segment for the backward pass of the batch norm and activation before
// the convolution, those of g and of g * (input - mean) inv_std, where g is a result times the activation's slope at
// (input - mean) scale + shift.
//
// Buffers      input [IMAGES, H, W, C] as `stored`; affine [4, C] (mean, scale, shift, inv_std); partials [SEGMENTS, 2, C], which
//              batch_norm/grad_statistics_merge*.wgsl adds up; as `elem`
// Numerics     in order of the tiles, and of the pixels of a tile; inv_std is factored out of the sum
//
// needs: C, OUTPUTS, Outputs, W, activate_grad, elem, stored
// gives: partials, input, affine, Moments
// gives: accumulate(moments: ptr<function, Moments>, values: ptr<function, array<Outputs, OUTPUTS>>, rows: u32, columns: u32, base: u32, c: u32)
// gives: store_statistics(segment: u32, c: u32, moments: Moments)

var<storage, read_write> partials: array<elem>;
var<storage, read> input: array<stored>;
var<storage, read> affine: array<elem>;

struct Moments {
    plain: elem,
    weighted: elem,
}

// Takes a tile whose first result is that of pixel `base`; `rows` x `columns` results are inside the image.
fn accumulate(
    moments: ptr<function, Moments>, values: ptr<function, array<Outputs, OUTPUTS>>, rows: u32, columns: u32, base: u32, c: u32,
) {
    let mean = affine[c];
    let scale = affine[C + c];
    let shift = affine[2u * C + c];
    for (var i = 0u; i < OUTPUTS; i++) {
        for (var j = 0u; j < OUTPUTS; j++) {
            // In place of an input outside the image, that of the first pixel is read: a branch costs more.
            let inside = i < rows && j < columns;
            let centered = elem(input[(base + select(0u, j * W + i, inside)) * C + c]) - mean;
            let g = select(elem(0.0), activate_grad(centered * scale + shift, (*values)[i][j]), inside);
            (*moments).plain += g;
            (*moments).weighted += g * centered;
        }
    }
}

fn store_statistics(segment: u32, c: u32, moments: Moments) {
    partials[segment * 2u * C + c] = moments.plain;
    partials[(segment * 2u + 1u) * C + c] = moments.weighted * affine[3u * C + c];
}
