// The target of an image is its own label.
//
// needs: nothing
// gives: own_share(n: u32) -> f32

fn own_share(n: u32) -> f32 {
    return 1.0;
}
