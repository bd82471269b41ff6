// conv.grad_input, blocked:
//   grad_input[n, h, w, c] = sum over r, s, k of grad_output[n, h + 1 - r, w + 1 - s, k] weight[r, s, c, k]
//
// Buffers      grad_output [IMAGES, H, W, OUT]; weight [3, 3, IN, OUT]; both as vec4 along OUT, a multiple of 4;
//              grad_input [IMAGES, H, W, IN] as vec4 along IN, a multiple of 8
// Who          one invocation per 4 neighbouring pixels and 8 input channels, 32 dot products along OUT in registers; lanes
//              run along the input channels; the grid covers IN / 8 times the pixels / 4; no workgroup memory
// Numerics     each result is summed by one invocation, tap by tap
// Where        software adapters, as conv/forward_blocked.wgsl
//
// needs: H, IMAGES, IN, OUT, W
// gives: each(i: u32)

var<storage, read> grad_output: array<vec4<f32>>;
var<storage, read> weight: array<vec4<f32>>;
var<storage, read_write> grad_input: array<vec4<f32>>;

const PIXELS: u32 = IMAGES * H * W;
const IN4: u32 = IN / 4u;
const OUT4: u32 = OUT / 4u;
const GROUPS: u32 = IN / 8u;

// The offset of the tap's output pixel for input pixel `at`, and whether it is inside the image.
struct Tap {
    base: u32,
    inside: bool,
}

fn tap_of(at: u32, r: u32, s: u32) -> Tap {
    // Shifted by one, and opposite to the tap: 0 is the padding above, H + 1 the padding below.
    let h = at / W % H + 2u - r;
    let w = at % W + 2u - s;
    let inside = at < PIXELS && h > 0u && h <= H && w > 0u && w <= W;
    return Tap(select(0u, (at + W + 1u - r * W - s) * OUT4, inside), inside);
}

fn each(i: u32) {
    let pixel = i / GROUPS * 4u;
    let c = i % GROUPS * 8u;
    let zero = vec4(0.0);
    var a0 = zero;
    var a1 = zero;
    var b0 = zero;
    var b1 = zero;
    var c0 = zero;
    var c1 = zero;
    var d0 = zero;
    var d1 = zero;
    for (var r = 0u; r < 3u; r++) {
        for (var s = 0u; s < 3u; s++) {
            let ta = tap_of(pixel, r, s);
            let tb = tap_of(pixel + 1u, r, s);
            let tc = tap_of(pixel + 2u, r, s);
            let td = tap_of(pixel + 3u, r, s);
            if !(ta.inside || tb.inside || tc.inside || td.inside) {
                continue;
            }
            let first = ((r * 3u + s) * IN + c) * OUT4;
            for (var k = 0u; k < OUT4; k++) {
                let ga = select(zero, grad_output[ta.base + k], ta.inside);
                let gb = select(zero, grad_output[tb.base + k], tb.inside);
                let gc = select(zero, grad_output[tc.base + k], tc.inside);
                let gd = select(zero, grad_output[td.base + k], td.inside);
                let at = first + k;
                let w0 = weight[at];
                let w1 = weight[at + OUT4];
                let w2 = weight[at + 2u * OUT4];
                let w3 = weight[at + 3u * OUT4];
                let w4 = weight[at + 4u * OUT4];
                let w5 = weight[at + 5u * OUT4];
                let w6 = weight[at + 6u * OUT4];
                let w7 = weight[at + 7u * OUT4];
                a0 += vec4(dot(ga, w0), dot(ga, w1), dot(ga, w2), dot(ga, w3));
                a1 += vec4(dot(ga, w4), dot(ga, w5), dot(ga, w6), dot(ga, w7));
                b0 += vec4(dot(gb, w0), dot(gb, w1), dot(gb, w2), dot(gb, w3));
                b1 += vec4(dot(gb, w4), dot(gb, w5), dot(gb, w6), dot(gb, w7));
                c0 += vec4(dot(gc, w0), dot(gc, w1), dot(gc, w2), dot(gc, w3));
                c1 += vec4(dot(gc, w4), dot(gc, w5), dot(gc, w6), dot(gc, w7));
                d0 += vec4(dot(gd, w0), dot(gd, w1), dot(gd, w2), dot(gd, w3));
                d1 += vec4(dot(gd, w4), dot(gd, w5), dot(gd, w6), dot(gd, w7));
            }
        }
    }
    let at = pixel * IN4 + c / 4u;
    grad_input[at] = a0;
    grad_input[at + 1u] = a1;
    if pixel + 1u < PIXELS {
        grad_input[at + IN4] = b0;
        grad_input[at + IN4 + 1u] = b1;
    }
    if pixel + 2u < PIXELS {
        grad_input[at + 2u * IN4] = c0;
        grad_input[at + 2u * IN4 + 1u] = c1;
    }
    if pixel + 3u < PIXELS {
        grad_input[at + 3u * IN4] = d0;
        grad_input[at + 3u * IN4 + 1u] = d1;
    }
}
