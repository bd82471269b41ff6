// dropout.apply: output = input * SCALE if the element is kept, else 0
//
// Element i is kept when word i % 4 of philox4x32([i / 4, batch, stream, layer], seed) is at least THRESHOLD.
//
// Buffers      control; input, output [len]
// Who          one invocation per four elements, which share one Philox block; the grid covers len / 4
// Numerics     one rounding; the mask is exact and the same on every device, and is never stored: the backward pass
//              runs this kernel on the gradient
//
// needs: Control, FIRST_BLOCK, LAYER, LEN, SCALE, STREAM, THRESHOLD, philox4x32, stored
// gives: each(block: u32)

var<storage, read> control: Control;
var<storage, read> input: array<stored>;
var<storage, read_write> output: array<stored>;

fn each(block: u32) {
    let counter = vec4(FIRST_BLOCK + block, control.batch, STREAM, LAYER);
    let words = philox4x32(counter, vec2(control.seed_low, control.seed_high));
    for (var lane = 0u; lane < 4u; lane++) {
        let i = block * 4u + lane;
        if i < LEN {
            output[i] = stored(select(0.0, f32(input[i]) * SCALE, words[lane] >= THRESHOLD));
        }
    }
}
