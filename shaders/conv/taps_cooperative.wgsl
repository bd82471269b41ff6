// Places and steps of a 3x3 convolution on matrix units: what is read at a tap of a pixel's window. A bit for each of the nine taps
// says which of them are inside the image.
//
// needs: H, Spot, W
// gives: pixel_spot(pixel: u32, channels: u32) -> Spot
// gives: tap_spot(tap: u32, channel: u32, channels: u32) -> Spot

// The pixel itself.
fn pixel_spot(pixel: u32, channels: u32) -> Spot {
    let h = pixel / W % H;
    let w = pixel % W;
    let rows = 0x38u | select(0u, 0x7u, h > 0u) | select(0u, 0x1c0u, h + 1u < H);
    let columns = 0x92u | select(0u, 0x49u, w > 0u) | select(0u, 0x124u, w + 1u < W);
    return Spot(pixel * (channels / 8u), rows & columns, 0u);
}

// Tap r * 3 + s, the pixel at (r - 1, s - 1) from the middle. The sum of both wraps around where this is negative.
fn tap_spot(tap: u32, channel: u32, channels: u32) -> Spot {
    let pixels = tap / 3u * W + tap % 3u - W - 1u;
    return Spot(pixels * (channels / 8u) + channel / 8u, 1u << tap, channel / 4u);
}
