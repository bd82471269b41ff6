// group_norm.affine, third dispatch: the vectors of each image's norm, from the moments of its sets
//
// Buffers      gamma, beta [C]; affine [IMAGES, 4, C] (mean, scale, shift, inv_std); as `elem` along C
// Who          one invocation per image and elem of channels
// Numerics     f32
//
// needs: C, PIXELS, elem, of_set
// gives: each(i: u32)

var<storage, read> gamma: array<elem>;
var<storage, read> beta: array<elem>;
var<storage, read_write> affine: array<elem>;

fn each(i: u32) {
    let image = i / C;
    let c = i % C;
    let inv_std = of_set(image * PIXELS, c, 1u);
    let at = image * 4u * C + c;
    affine[at] = of_set(image * PIXELS, c, 0u);
    affine[at + C] = inv_std * gamma[c];
    affine[at + 2u * C] = beta[c];
    affine[at + 3u * C] = inv_std;
}
