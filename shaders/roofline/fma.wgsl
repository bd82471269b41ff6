// roofline, arithmetic: twelve independent chains of x = x * a + b in each invocation, ROUNDS * 16 long
//
// Buffers      output [COUNT]: the sum of the chains, so that no compiler removes them
// Who          one invocation per element
// Numerics     |a| < 1: the chains tend to b / (1 - a), never to a denormal or infinite number
// Where        not a kernel: a probe of an adapter's peak arithmetic rate, everything in registers
//
// needs: ROUNDS, WORKGROUP
// gives: each(i: u32)

var<storage, read_write> output: array<f32>;

fn each(i: u32) {
    // Not a compile-time constant.
    let a = vec4<f32>(0.5 + f32(i & 255u) * 0.001);
    let b = vec4<f32>(1.0 + f32(i % WORKGROUP) * 0.01);
    var x = b;
    var y = b + 1.0;
    var z = b + 2.0;
    for (var round = 0u; round < ROUNDS; round++) {
        for (var step = 0u; step < 16u; step++) {
            x = fma(x, a, b);
            y = fma(y, a, b);
            z = fma(z, a, b);
        }
    }
    output[i] = dot(x + y + z, vec4<f32>(1.0));
}
