// Winograd, output transform: nothing is added.
fn bias(c: u32) -> elem {
    return elem(0.0);
}
