// The second dispatch of a split-K product with per-column statistics:
// result[row, column] = sum over the splits of parts[split, row, column]
//
// Buffers      parts [SPLITS, ROWS, COLUMNS] as `elem`; the result is declared by a preceding file with
//              fn store(i, sum), which returns what it stores; shared/chunk_*statistics.wgsl declares the others
// Who          one invocation per elem of a row and a chunk of CHUNK rows; lanes run along the row
// Numerics     the splits are added in order
//
// needs: CHUNK, COLUMNS, ROWS, SPLITS, accumulate, begin_column, elem, store, store_statistics
// gives: each(invocation: u32)

var<storage, read> parts: array<elem>;

fn each(invocation: u32) {
    let column = invocation % COLUMNS;
    let chunk = invocation / COLUMNS;
    let end = min(chunk * CHUNK + CHUNK, ROWS);
    begin_column(column);
    for (var row = chunk * CHUNK; row < end; row++) {
        let i = row * COLUMNS + column;
        var sum = elem(0.0);
        for (var split = 0u; split < SPLITS; split++) {
            sum += parts[split * ROWS * COLUMNS + i];
        }
        accumulate(i, store(i, sum));
    }
    store_statistics(chunk, column, f32(end - chunk * CHUNK));
}
