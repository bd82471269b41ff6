// Turns four finished sums into bytes and stores them: rne(clamp(f32(sum) scale, LOW, HIGH)) + OUTPUT_ZERO, as ONNX's QLinearConv.
//
// Buffers      scale [OUT, padded], as vec4; output [..., OUT] bytes, four in a u32
//
// needs: HIGH, LOW, OUT, OUTPUT_ZERO
// gives: output, scale
// gives: store(row: u32, quad: u32, sums: vec4<i32>)

var<storage, read> scale: array<vec4<f32>>;
var<storage, read_write> output: array<u32>;

fn store(row: u32, quad: u32, sums: vec4<i32>) {
    // round() takes halves to the even neighbour.
    let values = round(clamp(vec4<f32>(sums) * scale[quad], vec4(LOW), vec4(HIGH))) + OUTPUT_ZERO;
    let bytes = vec4<u32>(values);
    output[row * (OUT / 4u) + quad] = bytes.x | (bytes.y << 8u) | (bytes.z << 16u) | (bytes.w << 24u);
}
