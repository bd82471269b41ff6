// Philox4x32-10: four uniform words from a counter and a key, without any state.
//
// Source       Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
//
// needs: nothing
// gives: multiply_wide(a: u32, b: u32) -> vec2<u32>
// gives: philox4x32(start: vec4<u32>, start_key: vec2<u32>) -> vec4<u32>

// The high and the low word of a 32x32-bit product, by 16-bit halves.
fn multiply_wide(a: u32, b: u32) -> vec2<u32> {
    let a_low = a & 0xffffu;
    let a_high = a >> 16u;
    let b_low = b & 0xffffu;
    let b_high = b >> 16u;
    let low = a_low * b_low;
    let middle = a_high * b_low + (low >> 16u);
    let carry = a_low * b_high + (middle & 0xffffu);
    return vec2(a_high * b_high + (middle >> 16u) + (carry >> 16u), a * b);
}

fn philox4x32(start: vec4<u32>, start_key: vec2<u32>) -> vec4<u32> {
    var c = start;
    var k = start_key;
    for (var round = 0u; round < 10u; round++) {
        let p0 = multiply_wide(0xD2511F53u, c.x);
        let p1 = multiply_wide(0xCD9E8D57u, c.z);
        c = vec4(p1.x ^ c.y ^ k.x, p1.y, p0.x ^ c.w ^ k.y, p0.y);
        k += vec2(0x9E3779B9u, 0xBB67AE85u);
    }
    return c;
}
