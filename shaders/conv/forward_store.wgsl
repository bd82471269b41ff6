// conv.forward: adds the bias to a finished sum and stores the result, which it returns.
//
// Buffers      bias [OUT]; output [IMAGES, H, W, OUT]; as `elem`, COLUMNS per pixel
//
// needs: COLUMNS, elem, stored
// gives: bias, output
// gives: store(i: u32, sum: elem) -> elem

var<storage, read> bias: array<elem>;
var<storage, read_write> output: array<stored>;

fn store(i: u32, sum: elem) -> elem {
    let y = stored(sum + bias[i % COLUMNS]);
    output[i] = y;
    return elem(y);
}
