// fake_quantize.weight: output = scale rne(weight / scale), where the scale of each output is its largest |weight| / STEPS
//
// Buffers      weight, output: the weight of output o and input i is at o OUTPUT_STRIDE + i INPUT_STRIDE
// Who          one workgroup per output, whose invocations stride over its IN weights twice; the grid covers the outputs
// Numerics     f32; values within a rounding of a half may go to either neighbour
//
// needs: IN, INPUT_STRIDE, OUTPUT_STRIDE, STEPS, WORKGROUP, reduce_max
// gives: run(group: u32, local: u32)

var<storage, read> weight: array<f32>;
var<storage, read_write> output: array<f32>;

fn run(group: u32, local: u32) {
    var largest = 0.0;
    for (var i = local; i < IN; i += WORKGROUP) {
        largest = max(largest, abs(weight[group * OUTPUT_STRIDE + i * INPUT_STRIDE]));
    }
    largest = reduce_max(local, largest);
    let inverse = select(0.0, STEPS / largest, largest > 0.0);
    for (var i = local; i < IN; i += WORKGROUP) {
        let at = group * OUTPUT_STRIDE + i * INPUT_STRIDE;
        output[at] = largest / STEPS * round(weight[at] * inverse);
    }
}
