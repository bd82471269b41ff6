// The sum of an elem's values, for one value.
//
// needs: elem
// gives: across(x: elem) -> f32

fn across(x: elem) -> f32 {
    return x;
}
