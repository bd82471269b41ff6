//! Inverse affine transforms `[a, b, tx, c, d, ty]`: from a position of the result to one of the source.

/// Applies `x -> ax x + bx`, `y -> ay y + by` after `m`.
pub fn then(m: [f64; 6], [ax, bx, ay, by]: [f64; 4]) -> [f64; 6] {
    [ax * m[0], ax * m[1], ax * m[2] + bx, ay * m[3], ay * m[4], ay * m[5] + by]
}

/// The inverse of: rotate by `degrees` counter-clockwise about the centre, then translate by `(dx, dy)` pixels.
///
/// With y down, a counter-clockwise rotation maps `(x, y)` to `(x cos + y sin, y cos - x sin)`; its inverse is the
/// transpose.
pub fn inverse_of(degrees: f64, dx: f64, dy: f64, height: usize, width: usize) -> [f64; 6] {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (cx, cy) = ((width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0);
    let tx = cx - cos * (cx + dx) + sin * (cy + dy);
    let ty = cy - sin * (cx + dx) - cos * (cy + dy);
    [cos, -sin, tx, sin, cos, ty]
}

/// `outer` of the result of `inner`.
pub fn composed(outer: [f64; 6], inner: [f64; 6]) -> [f64; 6] {
    let row = |[a, b, t]: [f64; 3]| {
        [a * inner[0] + b * inner[3], a * inner[1] + b * inner[4], a * inner[2] + b * inner[5] + t]
    };
    let [a, b, tx, c, d, ty] = outer;
    let ([a, b, tx], [c, d, ty]) = (row([a, b, tx]), row([c, d, ty]));
    [a, b, tx, c, d, ty]
}
