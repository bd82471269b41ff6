// What an invocation gives of a chunk of rows besides them: nothing.
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
