// The range of bin `at` of `bins` along an axis of length `side`: floor(at side / bins) .. ceil((at + 1) side / bins).
//
// needs: nothing
// gives: window_start(at: u32, side: u32, bins: u32) -> u32
// gives: window_end(at: u32, side: u32, bins: u32) -> u32

fn window_start(at: u32, side: u32, bins: u32) -> u32 {
    return at * side / bins;
}

fn window_end(at: u32, side: u32, bins: u32) -> u32 {
    return ((at + 1u) * side + bins - 1u) / bins;
}
