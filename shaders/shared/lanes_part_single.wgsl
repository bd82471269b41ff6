// The part of a row that a lane loads, one value, converted to f32.
//
// needs: part, stored_part
// gives: widen(x: stored_part) -> part

fn widen(x: stored_part) -> part {
    return part(f32(x));
}
