// linear.grad_weight, blocked: grad_weight[o, i] = sum over n of grad_output[n, FIRST + o] input[n, i]
//
// Buffers      input [IMAGES, IN] and grad_weight [OUT, IN] as vec4 along IN, a multiple of 4; grad_output
//              [IMAGES, TOTAL] as vec4: TOTAL and FIRST are multiples of 4, OUT of 8
// Who          one invocation per 8 features and 4 inputs, outer products of 3 loads; lanes run along the inputs; the grid
//              covers IN / 4 times OUT / 8
// Numerics     images in order
// Where        software adapters; with few images the stores dominate
//
// needs: FIRST, IMAGES, IN, TOTAL
// gives: each(index: u32)

var<storage, read> input: array<vec4<f32>>;
var<storage, read> grad_output: array<vec4<f32>>;
var<storage, read_write> grad_weight: array<vec4<f32>>;

const IN4: u32 = IN / 4u;

fn each(index: u32) {
    let i = index % IN4;
    let o = index / IN4 * 8u;
    var sums: array<vec4<f32>, 8>;
    for (var n = 0u; n < IMAGES; n++) {
        let x = input[n * IN4 + i];
        let at = (n * TOTAL + FIRST + o) / 4u;
        let g0 = grad_output[at];
        let g1 = grad_output[at + 1u];
        sums[0] += g0.x * x;
        sums[1] += g0.y * x;
        sums[2] += g0.z * x;
        sums[3] += g0.w * x;
        sums[4] += g1.x * x;
        sums[5] += g1.y * x;
        sums[6] += g1.z * x;
        sums[7] += g1.w * x;
    }
    for (var j = 0u; j < 8u; j++) {
        grad_weight[(o + j) * IN4 + i] = sums[j];
    }
}
