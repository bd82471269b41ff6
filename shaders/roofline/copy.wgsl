// roofline, memory: output = input
//
// Buffers      input, output as vec4<f32>
// Who          PARTS vectors per invocation, STRIDE apart: adjacent, or a workgroup apart so that neighbouring invocations
//              read adjacent vectors; the buffers are a multiple of a workgroup's copy
// Numerics     exact
// Where        not a kernel: a probe of an adapter's peak memory bandwidth
//
// needs: PARTS, STRIDE, WORKGROUP
// gives: run(group: u32, local: u32)

var<storage, read> input: array<vec4<f32>>;
var<storage, read_write> output: array<vec4<f32>>;

fn run(group: u32, local: u32) {
    let first = group * PARTS * WORKGROUP + select(local * PARTS, local, STRIDE == WORKGROUP);
    for (var part = 0u; part < PARTS; part++) {
        output[first + part * STRIDE] = input[first + part * STRIDE];
    }
}
