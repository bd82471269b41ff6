// linear.forward, blocked: output[n, FIRST + o] = bias[o] + sum over i of input[n, i] weight[o, i]
//
// Buffers      input [IMAGES, IN], weight [OUT, IN] as vec4 along IN, a multiple of 4; bias [OUT];
//              output [IMAGES, TOTAL], of which the columns FIRST .. FIRST + OUT are written
// Who          one invocation per 8 images and 4 features, dot products along IN in registers: 12 loads serve 128
//              multiply-adds; lanes run along the features; the grid covers OUT / 4 times IMAGES / 8, both rounded up
// Numerics     each result is summed by one invocation, in order
// Where        software adapters
//
// needs: FIRST, IMAGES, IN, OUT, TOTAL
// gives: each(index: u32)

var<storage, read> input: array<vec4<f32>>;
var<storage, read> weight: array<vec4<f32>>;
var<storage, read> bias: array<f32>;
var<storage, read_write> output: array<f32>;

const IN4: u32 = IN / 4u;
const GROUPS: u32 = (OUT + 3u) / 4u;

fn each(index: u32) {
    let o = index % GROUPS * 4u;
    let n = index / GROUPS * 8u;
    // Rows beyond the last repeat it and are not stored.
    let f0 = o * IN4;
    let f1 = min(o + 1u, OUT - 1u) * IN4;
    let f2 = min(o + 2u, OUT - 1u) * IN4;
    let f3 = min(o + 3u, OUT - 1u) * IN4;
    var sums: array<vec4<f32>, 8>;
    for (var i = 0u; i < IN4; i++) {
        let w0 = weight[f0 + i];
        let w1 = weight[f1 + i];
        let w2 = weight[f2 + i];
        let w3 = weight[f3 + i];
        for (var j = 0u; j < 8u; j++) {
            let x = input[min(n + j, IMAGES - 1u) * IN4 + i];
            sums[j] += vec4(dot(x, w0), dot(x, w1), dot(x, w2), dot(x, w3));
        }
    }
    for (var j = 0u; j < 8u; j++) {
        for (var f = 0u; f < 4u; f++) {
            if n + j < IMAGES && o + f < OUT {
                output[(n + j) * TOTAL + FIRST + o + f] = sums[j][f] + bias[o + f];
            }
        }
    }
}
