// The position of an activation's values among the STEPS from 0 to the end of its range.
//
// Buffers      range [1]
//
// needs: STEPS, elem
// gives: range
// gives: step_size() -> f32
// gives: nearest_step(x: elem) -> elem

var<storage, read> range: array<f32, 1>;

fn step_size() -> f32 {
    return range[0] / STEPS;
}

// The nearest step, of halves the even one: 0 to STEPS, or one outside. 0 without a range.
fn nearest_step(x: elem) -> elem {
    let inverse = select(0.0, STEPS / range[0], range[0] > 0.0);
    return round(clamp(x * inverse, elem(-1.0), elem(STEPS + 1.0)));
}
