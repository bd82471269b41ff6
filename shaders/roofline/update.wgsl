// roofline, memory: output = -output, in place
//
// A CPU's cache reads a line before writing to it, so a copy moves three bytes for every two that count. An in-place update,
// like an optimiser's, does not have this overhead.
//
// Buffers      output as vec4<f32>
// Who          one vector per invocation
// Numerics     exact
// Where        not a kernel, as roofline/copy.wgsl
//
// needs: nothing
// gives: each(i: u32)

var<storage, read_write> output: array<vec4<f32>>;

fn each(i: u32) {
    output[i] = -output[i];
}
