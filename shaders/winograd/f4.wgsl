// Winograd's F(4, 3) in one dimension: four outputs of a three-tap filter from six inputs with six products instead of
// twelve, at the points 0, 1, -1, 2, -2 and infinity: y = At [(G g) * (Bt d)]. In two dimensions each transform is
// applied to the columns and to the rows: 36 products instead of 144.
//
// Numerics     the constants of Bt and At amplify rounding errors: 5.6 times (RMS) at the worst output, compared with a sum
//              of three products, so 31 times in two dimensions; 3.3 and 11 times on average
// Source       Lavin, Gray: "Fast algorithms for convolutional neural networks" (2016)
//
// needs: elem
// gives: OUTPUTS, POINTS, Outputs, Points
// gives: input_at_points(d: Points) -> Points
// gives: filter_at_points(g: array<elem, 3>) -> Points
// gives: outputs_of_points(m: Points) -> Outputs
// gives: outputs_at_points(y: Outputs) -> Points
// gives: filter_of_points(m: Points) -> array<elem, 3>

const OUTPUTS: u32 = 4u;
const POINTS: u32 = 6u;
alias Outputs = array<elem, OUTPUTS>;
alias Points = array<elem, POINTS>;

// Bt d
fn input_at_points(d: Points) -> Points {
    let even = d[4] - 4.0 * d[2];
    let odd = d[3] - 4.0 * d[1];
    let even2 = d[4] - d[2];
    let odd2 = 2.0 * (d[3] - d[1]);
    return Points(
        4.0 * d[0] - 5.0 * d[2] + d[4],
        even + odd,
        even - odd,
        even2 + odd2,
        even2 - odd2,
        4.0 * d[1] - 5.0 * d[3] + d[5],
    );
}

// G g
fn filter_at_points(g: array<elem, 3>) -> Points {
    let even = (g[0] + g[2]) * (-1.0 / 6.0);
    let odd = g[1] * (-1.0 / 6.0);
    let even2 = g[0] * (1.0 / 24.0) + g[2] * (1.0 / 6.0);
    let odd2 = g[1] * (1.0 / 12.0);
    return Points(g[0] * 0.25, even + odd, even - odd, even2 + odd2, even2 - odd2, g[2]);
}

// At m
fn outputs_of_points(m: Points) -> Outputs {
    let even = m[1] + m[2];
    let odd = m[1] - m[2];
    let even2 = m[3] + m[4];
    let odd2 = m[3] - m[4];
    return Outputs(m[0] + even + even2, odd + 2.0 * odd2, even + 4.0 * even2, odd + 8.0 * odd2 + m[5]);
}

// A y
fn outputs_at_points(y: Outputs) -> Points {
    let even = y[0] + y[2];
    let odd = y[1] + y[3];
    let even2 = y[0] + 4.0 * y[2];
    let odd2 = 2.0 * y[1] + 8.0 * y[3];
    return Points(y[0], even + odd, even - odd, even2 + odd2, even2 - odd2, y[3]);
}

// Gt m
fn filter_of_points(m: Points) -> array<elem, 3> {
    let even = (m[1] + m[2]) * (-1.0 / 6.0);
    let even2 = m[3] + m[4];
    return array<elem, 3>(
        m[0] * 0.25 + even + even2 * (1.0 / 24.0),
        (m[2] - m[1]) * (1.0 / 6.0) + (m[3] - m[4]) * (1.0 / 12.0),
        even + even2 * (1.0 / 6.0) + m[5],
    );
}
