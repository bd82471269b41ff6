// Winograd, tiles as the input of a convolution: (Bt d B) of POINTS x POINTS values, starting in the padding.
//
// needs: POINTS, Points, input_at_points
// gives: SIDE, PADDING, Tile
// gives: at_points(d: Tile) -> Points

const SIDE: u32 = POINTS;
const PADDING: u32 = 1u;
alias Tile = Points;

fn at_points(d: Tile) -> Points {
    return input_at_points(d);
}
