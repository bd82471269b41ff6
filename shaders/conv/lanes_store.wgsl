// Epilogue of conv/forward_lanes.wgsl and conv/grad_input_lanes.wgsl: stores the sums of a subgroup's rows, for a lane's own
// columns, with store(i, sum), and passes the stored values to shared/chunk_*statistics.wgsl; the rows are a chunk.
//
// needs: COLUMNS, PIXELS, ROWS, Sums, V, accumulate, begin_column, reset_statistics, store, store_statistics
// gives: store_rows(sums: ptr<function, Sums>, block: u32, column: u32)

fn store_rows(sums: ptr<function, Sums>, block: u32, column: u32) {
    let first_row = block * ROWS;
    for (var v = 0u; v < V; v++) {
        reset_statistics();
        begin_column(column + v);
        for (var row = 0u; row < ROWS; row++) {
            if PIXELS % ROWS == 0u || first_row + row < PIXELS {
                let i = (first_row + row) * COLUMNS + column + v;
                accumulate(i, store(i, (*sums)[row][v]));
            }
        }
        store_statistics(block, column + v, f32(min(ROWS, PIXELS - first_row)));
    }
}
