// Products of four bytes of the input and of four signed weights of each of four outputs.
//
// An unsigned byte x is the signed byte x - 128, for which there is one instruction with signed weights: the sum of (x - ZERO) w is that
// of (x - 128) w, and 128 - ZERO times the sum of the weights.
//
// Buffers      weight [OUT / 16, inputs / 4, 16] words of four signed bytes; weight_sum, bias [OUT, padded]
//
// needs: ZERO
// gives: bias, weight, weight_sum
// gives: signed_bytes(word: u32) -> u32
// gives: begin(quad: u32) -> vec4<i32>
// gives: products(a: u32, b: vec4<u32>) -> vec4<i32>

var<storage, read> weight: array<vec4<u32>>;
var<storage, read> weight_sum: array<vec4<i32>>;
var<storage, read> bias: array<vec4<i32>>;

fn signed_bytes(word: u32) -> u32 {
    return word ^ 0x80808080u;
}

fn begin(quad: u32) -> vec4<i32> {
    return bias[quad] + (128 - i32(ZERO)) * weight_sum[quad];
}

fn products(a: u32, b: vec4<u32>) -> vec4<i32> {
    return vec4(dot4I8Packed(a, b.x), dot4I8Packed(a, b.y), dot4I8Packed(a, b.z), dot4I8Packed(a, b.w));
}
