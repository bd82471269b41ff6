// batch_norm.normalize: output = activate((input - mean) scale + shift)
//
// Buffers      output [ROWS, INPUT_C], as `input_elem` along the channels; those of the prologue
// Who          one invocation per elem of channels and CHUNK rows, so that the vectors are loaded once; lanes run
//              along the channels; the grid covers INPUT_C and ROWS / CHUNK
// Numerics     f32; the difference is taken before the scale, so that a large mean does not cancel; NaN is preserved
// Source       Ioffe and Szegedy (2015)
//
// needs: CHUNK, INPUT_C, ROWS, input_at, input_stored, input_vectors
// gives: each(i: u32)

var<storage, read_write> output: array<input_stored>;

fn each(i: u32) {
    let c = i % INPUT_C;
    let first = i / INPUT_C * CHUNK;
    let vectors = input_vectors(c);
    for (var row = first; row < min(first + CHUNK, ROWS); row++) {
        output[row * INPUT_C + c] = input_stored(input_at(row * INPUT_C + c, vectors));
    }
}
