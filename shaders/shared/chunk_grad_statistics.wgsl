// Per-column sums over a chunk of rows for the backward pass of the batch norm and activation before this layer: those of g and of
// g * (input - mean) inv_std, where g is a result times the activation's slope at (input - mean) scale + shift.
//
// Buffers      input [ROWS, COLUMNS] as `stored`; affine [4, COLUMNS] (mean, scale, shift, inv_std) as `elem`; workspace
//              [CHUNKS, 2, COLUMNS] as `elem`, which batch_norm/grad_statistics_merge*.wgsl adds up
// Numerics     in order of the rows; inv_std is factored out of the sum
//
// needs: COLUMNS, activate_grad, elem, stored
// gives: input, workspace, affine, sum_g, sum_gx, mean, scale, shift
// gives: reset_statistics()
// gives: begin_column(column: u32)
// gives: accumulate(i: u32, gradient: elem)
// gives: store_chunk(chunk: u32, column: u32, plain: elem, weighted: elem)
// gives: store_statistics(chunk: u32, column: u32, count: f32)

var<storage, read> input: array<stored>;
var<storage, read_write> workspace: array<elem>;
var<storage, read> affine: array<elem>;

var<private> sum_g: elem = elem(0.0);
var<private> sum_gx: elem = elem(0.0);
var<private> mean: elem;
var<private> scale: elem;
var<private> shift: elem;

// Starts a new chunk.
fn reset_statistics() {
    sum_g = elem(0.0);
    sum_gx = elem(0.0);
}

// Called before the results of a column.
fn begin_column(column: u32) {
    mean = affine[column];
    scale = affine[COLUMNS + column];
    shift = affine[2u * COLUMNS + column];
}

fn accumulate(i: u32, gradient: elem) {
    let centered = elem(input[i]) - mean;
    let g = activate_grad(centered * scale + shift, gradient);
    sum_g += g;
    sum_gx += g * centered;
}

fn store_chunk(chunk: u32, column: u32, plain: elem, weighted: elem) {
    workspace[chunk * 2u * COLUMNS + column] = plain;
    workspace[(chunk * 2u + 1u) * COLUMNS + column] = weighted * affine[3u * COLUMNS + column];
}

fn store_statistics(chunk: u32, column: u32, count: f32) {
    store_chunk(chunk, column, sum_g, sum_gx);
}
