// What a lane loads of a row, four values that lie together, as f32.
//
// needs: part, stored_part
// gives: widen(x: stored_part) -> part

fn widen(x: stored_part) -> part {
    return part(x);
}
