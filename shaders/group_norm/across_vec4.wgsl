// The sum of an elem's values, for four values.
//
// needs: elem
// gives: across(x: elem) -> f32

fn across(x: elem) -> f32 {
    return (x.x + x.y) + (x.z + x.w);
}
