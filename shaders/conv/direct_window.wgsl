// The 3x3 neighbourhood of a pixel, IN channels each, moving along a line of an image; 0 in the padding. IN is small enough
// for the window to stay in registers; every index is a loop counter, so that compilers unroll the loops.
//
// Buffers      input [IMAGES, H, W, IN] through prologue/input_plain.wgsl
//
// needs: H, IMAGES, IN, W, input_at, input_vectors
// gives: Window, ALL_LINES
// gives: advance(window: ptr<function, Window>, line: u32, column: u32)

alias Window = array<array<array<f32, IN>, 3>, 3>;

// The lines of all images.
const ALL_LINES: u32 = IMAGES * H;

// Moves the window by one pixel: `column` of the line and of the lines above and below enters on the right.
fn advance(window: ptr<function, Window>, line: u32, column: u32) {
    for (var r = 0u; r < 3u; r++) {
        // Shifted by one: 0 is the padding above, H + 1 the padding below.
        let h = line % H + r;
        let inside = column < W && h > 0u && h <= H;
        for (var c = 0u; c < IN; c++) {
            (*window)[r][0][c] = (*window)[r][1][c];
            (*window)[r][1][c] = (*window)[r][2][c];
            (*window)[r][2][c] = 0.0;
            if inside {
                (*window)[r][2][c] = input_at(((line + r - 1u) * W + column) * IN + c, input_vectors(c));
            }
        }
    }
}
