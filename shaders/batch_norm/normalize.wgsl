// batch_norm.normalize: output = activate((input - mean) scale + shift)
//
// Buffers      input, output [ROWS, C]; affine [4, C] (mean, scale, shift); as `elem` along C
// Who          one invocation per elem of channels and CHUNK rows, so that the vectors are loaded once; lanes run
//              along the channels; the grid covers C and ROWS / CHUNK
// Numerics     f32; the difference is taken before the scale, so that a large mean does not cancel; NaN is preserved
// Source       Ioffe and Szegedy (2015)
//
// needs: C, CHUNK, ROWS, activate, elem, stored
// gives: each(i: u32)

var<storage, read> input: array<stored>;
var<storage, read> affine: array<elem>;
var<storage, read_write> output: array<stored>;

fn each(i: u32) {
    let c = i % C;
    let first = i / C * CHUNK;
    let mean = affine[c];
    let scale = affine[C + c];
    let shift = affine[2u * C + c];
    for (var row = first; row < min(first + CHUNK, ROWS); row++) {
        output[row * C + c] = stored(activate((elem(input[row * C + c]) - mean) * scale + shift));
    }
}
