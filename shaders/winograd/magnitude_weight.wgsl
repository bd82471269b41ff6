// Winograd, the largest magnitude of four weights.
//
// Buffers      weight [3, 3, IN, OUT] as `stored`, vectors of four
//
// needs: stored
// gives: weight
// gives: magnitude(i: u32) -> f32

var<storage, read> weight: array<stored>;

fn magnitude(i: u32) -> f32 {
    let quad = abs(vec4<f32>(weight[i]));
    return max(max(quad.x, quad.y), max(quad.z, quad.w));
}
