// Winograd, the values that are transformed: the output's gradient, through the backward pass of the batch norm and ReLU after the
// convolution, as batch_norm/grad_input.wgsl computes it.
//
// Buffers      grad_output and output [IMAGES, H, W, C]; grad_affine [5, C] (mean, scale, shift, offset, slope); as `elem`
//
// needs: C, elem, passed
// gives: grad_output, output, grad_affine
// gives: vectors_of(c: u32) -> array<elem, 5>
// gives: value(at: u32, vectors: array<elem, 5>) -> elem

@group(0) @binding(0) var<storage, read> grad_output: array<elem>;
@group(0) @binding(2) var<storage, read> output: array<elem>;
@group(0) @binding(3) var<storage, read> grad_affine: array<elem>;

fn vectors_of(c: u32) -> array<elem, 5> {
    return array<elem, 5>(
        grad_affine[c],
        grad_affine[C + c],
        grad_affine[2u * C + c],
        grad_affine[3u * C + c],
        grad_affine[4u * C + c],
    );
}

fn value(at: u32, vectors: array<elem, 5>) -> elem {
    let centered = output[at] - vectors[0];
    let g = passed(centered * vectors[1] + vectors[2], grad_output[at]);
    return vectors[1] * g - (vectors[3] + vectors[4] * centered);
}
