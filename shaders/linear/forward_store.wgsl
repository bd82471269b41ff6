// linear.forward: adds the bias to a finished sum and stores the result.
//
// Buffers      bias [OUT]; output [IMAGES, TOTAL], of which the columns FIRST .. FIRST + OUT are written; as `elem` of
//              LANES values, COLUMNS per image of the slice
//
// needs: COLUMNS, FIRST, LANES, TOTAL, elem, stored
// gives: bias, output
// gives: store(i: u32, sum: elem)

var<storage, read> bias: array<elem>;
var<storage, read_write> output: array<stored>;

fn store(i: u32, sum: elem) {
    output[i / COLUMNS * (TOTAL / LANES) + FIRST / LANES + i % COLUMNS] = stored(sum + bias[i % COLUMNS]);
}
