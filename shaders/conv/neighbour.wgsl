// The pixel that a tap of a 3x3 window reads, among all pixels of all images.
//
// needs: H, W
// gives: OUTSIDE
// gives: neighbour(pixel: u32, r: u32, s: u32) -> u32

// In the padding.
const OUTSIDE: u32 = 0xffffffffu;

// The pixel at (r - 1, s - 1) from `pixel`, or OUTSIDE.
fn neighbour(pixel: u32, r: u32, s: u32) -> u32 {
    // Shifted by one: 0 is the padding above, H + 1 the padding below.
    let h = pixel / W % H + r;
    let w = pixel % W + s;
    return select(OUTSIDE, pixel + r * W + s - W - 1u, h > 0u && h <= H && w > 0u && w <= W);
}
