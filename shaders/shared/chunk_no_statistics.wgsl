// Per-column statistics over a chunk of rows: none are computed.
//
// needs: elem
// gives: reset_statistics()
// gives: begin_column(column: u32)
// gives: accumulate(i: u32, y: elem)
// gives: store_statistics(chunk: u32, column: u32, count: f32)

fn reset_statistics() {
}

fn begin_column(column: u32) {
}

fn accumulate(i: u32, y: elem) {
}

fn store_statistics(chunk: u32, column: u32, count: f32) {
}
