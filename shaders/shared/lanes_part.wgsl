// What a lane loads of a row, four values that lie together, as f32.
fn widen(x: stored_part) -> part {
    return part(x);
}
