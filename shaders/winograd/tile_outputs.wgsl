// Winograd, tiles as the output's gradient that the weights' gradient is a convolution with: (A y At) of OUTPUTS x OUTPUTS
// values.
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
