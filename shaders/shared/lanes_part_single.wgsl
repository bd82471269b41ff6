// What a lane loads of a row, one value, as f32.
fn widen(x: stored_part) -> part {
    return part(f32(x));
}
