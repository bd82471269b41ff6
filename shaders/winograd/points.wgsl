// Winograd, transformed values as f32.
//
// Buffers      points, as many as the operand has at the points of the transform, as `elem`
//
// needs: elem
// gives: points
// gives: store_point(i: u32, value: elem)

var<storage, read_write> points: array<elem>;

fn store_point(i: u32, value: elem) {
    points[i] = value;
}
