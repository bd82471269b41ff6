// dropout.apply: output = input * SCALE if the element is kept, else 0
//
// Element i is kept when word i % 4 of philox4x32([i / 4, step, stream, layer], seed) is at least THRESHOLD.
//
// Buffers      control; input, output [len]
// Who          one invocation per four elements, which share one Philox block; the grid covers len / 4
// Numerics     one rounding; the mask is exact and the same on every device, and is never stored: the backward pass
//              runs this kernel on the gradient
//
// needs: Control, FIRST_BLOCK, LAYER, LEN, SCALE, STREAM, THRESHOLD, WORKGROUP, grid_index, philox4x32
// needs: stored

@group(0) @binding(0) var<storage, read> control: Control;
@group(0) @binding(1) var<storage, read> input: array<stored>;
@group(0) @binding(2) var<storage, read_write> output: array<stored>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let block = grid_index(workgroup, workgroups) * WORKGROUP + local;
    if block * 4u >= LEN {
        return;
    }
    let counter = vec4(FIRST_BLOCK + block, control.step, STREAM, LAYER);
    let words = philox4x32(counter, vec2(control.seed_low, control.seed_high));
    for (var lane = 0u; lane < 4u; lane++) {
        let i = block * 4u + lane;
        if i < LEN {
            output[i] = stored(select(0.0, f32(input[i]) * SCALE, words[lane] >= THRESHOLD));
        }
    }
}
