// What a lane loads of a row, one value, as f32.
//
// needs: part, stored_part
// gives: widen(x: stored_part) -> part

fn widen(x: stored_part) -> part {
    return part(f32(x));
}
