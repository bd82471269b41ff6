// conv.grad_weight, blocked, first dispatch:
//   workspace[split, r, s, c, k] = sum over the split's pixels of input[n, h + r - 1, w + s - 1, c] grad_output[n, h, w, k]
//
// Buffers      input [IMAGES, H, W, IN]; grad_output [IMAGES, H, W, OUT]; workspace [SPLITS, 3, 3, IN, OUT]; all as vec4
//              along the channels: IN and OUT are multiples of 8
// Who          one invocation per tap, 8 input and 8 output channels of one split: 64 sums in registers, outer products
//              of 4 loads; a split is PART rows of pixels; lanes run along the output channels; the grid covers
//              OUT / 8 times IN / 8 times 9 times SPLITS; no workgroup memory
// Numerics     pixels in order within a split; shared/merge_splits.wgsl adds the splits in order
// Where        software adapters; the loop visits only pixels inside the image, so no load is masked
//
// needs: H, IMAGES, IN, OUT, SPLITS, W
// gives: each(i: u32)

var<storage, read> input: array<vec4<f32>>;
var<storage, read> grad_output: array<vec4<f32>>;
var<storage, read_write> workspace: array<vec4<f32>>;

const ROWS: u32 = IMAGES * H;
const PART: u32 = (ROWS + SPLITS - 1u) / SPLITS;
const IN4: u32 = IN / 4u;
const OUT4: u32 = OUT / 4u;
const IN_GROUPS: u32 = IN / 8u;
const OUT_GROUPS: u32 = OUT / 8u;

fn each(i: u32) {
    let k = i % OUT_GROUPS * 2u;
    let c = i / OUT_GROUPS % IN_GROUPS * 2u;
    let tap = i / (OUT_GROUPS * IN_GROUPS) % 9u;
    let split = i / (OUT_GROUPS * IN_GROUPS * 9u);
    let r = tap / 3u;
    let s = tap % 3u;
    // Output columns whose input column is inside the image.
    let first = select(0u, 1u, s == 0u);
    let last = select(W, W - 1u, s == 2u);
    var l0: array<vec4<f32>, 8>;
    var l1: array<vec4<f32>, 8>;
    for (var row = split * PART; row < min(split * PART + PART, ROWS); row++) {
        let h = row % H + r;
        if h == 0u || h > H {
            continue;
        }
        let x_row = (row + r - 1u) * W + s;
        for (var w = first; w < last; w++) {
            let at = (x_row + w - 1u) * IN4 + c;
            let x0 = input[at];
            let x1 = input[at + 1u];
            let g_at = (row * W + w) * OUT4 + k;
            let g0 = grad_output[g_at];
            let g1 = grad_output[g_at + 1u];
            l0[0] += x0.x * g0;
            l1[0] += x0.x * g1;
            l0[1] += x0.y * g0;
            l1[1] += x0.y * g1;
            l0[2] += x0.z * g0;
            l1[2] += x0.z * g1;
            l0[3] += x0.w * g0;
            l1[3] += x0.w * g1;
            l0[4] += x1.x * g0;
            l1[4] += x1.x * g1;
            l0[5] += x1.y * g0;
            l1[5] += x1.y * g1;
            l0[6] += x1.z * g0;
            l1[6] += x1.z * g1;
            l0[7] += x1.w * g0;
            l1[7] += x1.w * g1;
        }
    }
    var at = ((split * 9u + tap) * IN + c * 4u) * OUT4 + k;
    for (var j = 0u; j < 8u; j++) {
        workspace[at] = l0[j];
        workspace[at + 1u] = l1[j];
        at += OUT4;
    }
}
