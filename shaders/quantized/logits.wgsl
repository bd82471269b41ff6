// Stores four finished sums as logits: f32(sum) scale.
//
// Buffers      scale [OUT, padded], as vec4; logits [..., OUT]
//
// needs: OUT
// gives: logits, scale
// gives: store(row: u32, quad: u32, sums: vec4<i32>)

var<storage, read> scale: array<vec4<f32>>;
var<storage, read_write> logits: array<f32>;

fn store(row: u32, quad: u32, sums: vec4<i32>) {
    let values = vec4<f32>(sums) * scale[quad];
    for (var i = 0u; i < min(4u, OUT - 4u * quad); i++) {
        logits[row * OUT + 4u * quad + i] = values[i];
    }
}
