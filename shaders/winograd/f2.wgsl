// Winograd's F(2, 3) in one dimension: two outputs of a three-tap filter from four inputs with four products instead of
// six, at the points 0, 1, -1 and infinity: y = At [(G g) * (Bt d)]. In two dimensions each transform is applied to the
// columns and to the rows: 16 products instead of 36.
//
// Numerics     rounding is amplified 1.3 times (RMS), so 1.7 times in two dimensions
// Source       Lavin, Gray: "Fast algorithms for convolutional neural networks" (2016)
//
// needs: elem
// gives: OUTPUTS, POINTS, Outputs, Points
// gives: input_at_points(d: Points) -> Points
// gives: filter_at_points(g: array<elem, 3>) -> Points
// gives: outputs_of_points(m: Points) -> Outputs
// gives: outputs_at_points(y: Outputs) -> Points
// gives: filter_of_points(m: Points) -> array<elem, 3>

const OUTPUTS: u32 = 2u;
const POINTS: u32 = 4u;
alias Outputs = array<elem, OUTPUTS>;
alias Points = array<elem, POINTS>;

// Bt d
fn input_at_points(d: Points) -> Points {
    return Points(d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]);
}

// G g
fn filter_at_points(g: array<elem, 3>) -> Points {
    let even = (g[0] + g[2]) * 0.5;
    let odd = g[1] * 0.5;
    return Points(g[0], even + odd, even - odd, g[2]);
}

// At m
fn outputs_of_points(m: Points) -> Outputs {
    return Outputs(m[0] + m[1] + m[2], m[1] - m[2] - m[3]);
}

// A y
fn outputs_at_points(y: Outputs) -> Points {
    return Points(y[0], y[0] + y[1], y[0] - y[1], -y[1]);
}

// Gt m
fn filter_of_points(m: Points) -> array<elem, 3> {
    let even = (m[1] + m[2]) * 0.5;
    return array<elem, 3>(m[0] + even, (m[1] - m[2]) * 0.5, even + m[3]);
}
