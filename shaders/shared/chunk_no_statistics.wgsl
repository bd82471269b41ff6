// Per-column statistics over a chunk of rows: none are computed.
//
// needs: elem
// gives: forget()
// gives: observe(i: u32, y: elem)
// gives: report(chunk: u32, column: u32, count: f32)

fn forget() {
}

fn observe(i: u32, y: elem) {
}

fn report(chunk: u32, column: u32, count: f32) {
}
