// linear.grad_input, blocked: grad_input[n, i] = sum over o of grad_output[n, FIRST + o] weight[o, i]
//
// Buffers      grad_output [IMAGES, TOTAL] as vec4: TOTAL, FIRST and OUT are multiples of 4; weight [OUT, IN] and
//              grad_input [IMAGES, IN] as vec4 along IN, a multiple of 4; accumulated into if ACCUMULATE is set
// Who          one invocation per 8 images and 4 inputs: 12 loads serve 128 multiply-adds; lanes run along the inputs; the
//              grid covers IN / 4 times IMAGES / 8, rounded up
// Numerics     each result is summed by one invocation, in order
// Where        software adapters
//
// needs: ACCUMULATE, FIRST, IMAGES, IN, OUT, TOTAL
// gives: each(index: u32)

var<storage, read> grad_output: array<vec4<f32>>;
var<storage, read> weight: array<vec4<f32>>;
var<storage, read_write> grad_input: array<vec4<f32>>;

const IN4: u32 = IN / 4u;
const OUT4: u32 = OUT / 4u;

fn each(index: u32) {
    let i = index % IN4;
    let n = index / IN4 * 8u;
    var sums: array<vec4<f32>, 8>;
    for (var o = 0u; o < OUT4; o++) {
        let w0 = weight[(o * 4u) * IN4 + i];
        let w1 = weight[(o * 4u + 1u) * IN4 + i];
        let w2 = weight[(o * 4u + 2u) * IN4 + i];
        let w3 = weight[(o * 4u + 3u) * IN4 + i];
        for (var j = 0u; j < 8u; j++) {
            // Images beyond the last repeat it and are not stored.
            let g = grad_output[(min(n + j, IMAGES - 1u) * TOTAL + FIRST) / 4u + o];
            sums[j] += g.x * w0 + g.y * w1 + g.z * w2 + g.w * w3;
        }
    }
    for (var j = 0u; j < 8u; j++) {
        if n + j < IMAGES {
            let at = (n + j) * IN4 + i;
            if ACCUMULATE {
                grad_input[at] += sums[j];
            } else {
                grad_input[at] = sums[j];
            }
        }
    }
}
