// bias.grad, first dispatch: sums of grad_output over each chunk of rows
//
// Buffers      grad_output [ROWS, C] and workspace [CHUNKS, C], as `elem` along C
// Who          one invocation per elem of channels and one chunk of CHUNK rows; lanes run along the channels
// Numerics     f32; the rows of a chunk are added in order
//
// needs: C, CHUNK, ROWS, elem, stored
// gives: each(i: u32)

var<storage, read> grad_output: array<stored>;
var<storage, read_write> workspace: array<elem>;

fn each(i: u32) {
    let c = i % C;
    let chunk = i / C;
    var sum = elem(0.0);
    for (var row = chunk * CHUNK; row < min(chunk * CHUNK + CHUNK, ROWS); row++) {
        sum += elem(grad_output[row * C + c]);
    }
    workspace[chunk * C + c] = sum;
}
