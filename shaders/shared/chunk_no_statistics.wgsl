// What an invocation gives of a chunk of rows besides them: nothing.
fn forget() {
}

fn observe(i: u32, y: elem) {
}

fn report(chunk: u32, column: u32, count: f32) {
}
