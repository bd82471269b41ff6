// Winograd, the magnitude of a value after the prologue (winograd/read_*.wgsl).
//
// needs: C, value, vectors_of
// gives: magnitude(i: u32) -> f32

fn magnitude(i: u32) -> f32 {
    return abs(value(i, vectors_of(i % C)));
}
