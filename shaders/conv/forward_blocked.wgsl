// conv.forward, blocked: output[n, h, w, k] = bias[k] + sum over r, s, c of input[n, h + r - 1, w + s - 1, c] weight[r, s, c, k]
//
// Buffers      input [IMAGES, H, W, IN]; weight [3, 3, IN, OUT]; bias [OUT]; output [IMAGES, H, W, OUT]; all as vec4
//              along the channels: IN is a multiple of 4, OUT of 8
// Who          one invocation per 4 neighbouring pixels and 8 output channels, 32 sums in registers; lanes run along the
//              output channels; the grid covers OUT / 8 times the pixels / 4; no workgroup memory, no barriers
// Numerics     each result is summed by one invocation, tap by tap
// Where        software adapters: a load is a loop over the lanes whatever its width, so 12 loads serve 128
//              multiply-adds
//
// needs: H, IMAGES, IN, OUT, W
// gives: each(i: u32)

var<storage, read> input: array<vec4<f32>>;
var<storage, read> weight: array<vec4<f32>>;
var<storage, read> bias: array<vec4<f32>>;
var<storage, read_write> output: array<vec4<f32>>;

const PIXELS: u32 = IMAGES * H * W;
const IN4: u32 = IN / 4u;
const OUT4: u32 = OUT / 4u;
const GROUPS: u32 = OUT / 8u;

// The offset of the tap's input pixel for output pixel `at`, and whether it is inside the image.
struct Tap {
    base: u32,
    inside: bool,
}

fn tap_of(at: u32, r: u32, s: u32) -> Tap {
    // Shifted by one: 0 is the padding above, H + 1 the padding below. Pixels beyond the last are outside too.
    let h = at / W % H + r;
    let w = at % W + s;
    let inside = at < PIXELS && h > 0u && h <= H && w > 0u && w <= W;
    return Tap(select(0u, (at + r * W + s - W - 1u) * IN4, inside), inside);
}

fn each(i: u32) {
    let pixel = i / GROUPS * 4u;
    let k = i % GROUPS * 2u;
    let zero = vec4(0.0);
    var a0 = bias[k];
    var a1 = bias[k + 1u];
    var b0 = a0;
    var b1 = a1;
    var c0 = a0;
    var c1 = a1;
    var d0 = a0;
    var d1 = a1;
    for (var r = 0u; r < 3u; r++) {
        for (var s = 0u; s < 3u; s++) {
            let ta = tap_of(pixel, r, s);
            let tb = tap_of(pixel + 1u, r, s);
            let tc = tap_of(pixel + 2u, r, s);
            let td = tap_of(pixel + 3u, r, s);
            if !(ta.inside || tb.inside || tc.inside || td.inside) {
                continue;
            }
            var at = (r * 3u + s) * IN * OUT4 + k;
            for (var c = 0u; c < IN4; c++) {
                let xa = select(zero, input[ta.base + c], ta.inside);
                let xb = select(zero, input[tb.base + c], tb.inside);
                let xc = select(zero, input[tc.base + c], tc.inside);
                let xd = select(zero, input[td.base + c], td.inside);
                let w00 = weight[at];
                let w01 = weight[at + 1u];
                let w10 = weight[at + OUT4];
                let w11 = weight[at + OUT4 + 1u];
                let w20 = weight[at + 2u * OUT4];
                let w21 = weight[at + 2u * OUT4 + 1u];
                let w30 = weight[at + 3u * OUT4];
                let w31 = weight[at + 3u * OUT4 + 1u];
                a0 += xa.x * w00 + xa.y * w10 + xa.z * w20 + xa.w * w30;
                a1 += xa.x * w01 + xa.y * w11 + xa.z * w21 + xa.w * w31;
                b0 += xb.x * w00 + xb.y * w10 + xb.z * w20 + xb.w * w30;
                b1 += xb.x * w01 + xb.y * w11 + xb.z * w21 + xb.w * w31;
                c0 += xc.x * w00 + xc.y * w10 + xc.z * w20 + xc.w * w30;
                c1 += xc.x * w01 + xc.y * w11 + xc.z * w21 + xc.w * w31;
                d0 += xd.x * w00 + xd.y * w10 + xd.z * w20 + xd.w * w30;
                d1 += xd.x * w01 + xd.y * w11 + xd.z * w21 + xd.w * w31;
                at += OUT;
            }
        }
    }
    let at = pixel * OUT4 + k;
    output[at] = a0;
    output[at + 1u] = a1;
    if pixel + 1u < PIXELS {
        output[at + OUT4] = b0;
        output[at + OUT4 + 1u] = b1;
    }
    if pixel + 2u < PIXELS {
        output[at + 2u * OUT4] = c0;
        output[at + 2u * OUT4 + 1u] = c1;
    }
    if pixel + 3u < PIXELS {
        output[at + 3u * OUT4] = d0;
        output[at + 3u * OUT4 + 1u] = d1;
    }
}
