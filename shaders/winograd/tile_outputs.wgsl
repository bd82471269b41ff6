// Winograd, tiles of the output's gradient for the gradient of the weights: (A y At) of OUTPUTS x OUTPUTS values.
//
// needs: OUTPUTS, Outputs, Points, outputs_at_points
// gives: SIDE, PADDING, Tile
// gives: at_points(y: Tile) -> Points

const SIDE: u32 = OUTPUTS;
const PADDING: u32 = 0u;
alias Tile = Outputs;

fn at_points(y: Tile) -> Points {
    return outputs_at_points(y);
}
