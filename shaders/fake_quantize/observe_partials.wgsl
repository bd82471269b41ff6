// fake_quantize.observe: the largest value of each of PARTS parts of an activation, at least 0
//
// Buffers      control; input [LEN]; workspace [PARTS]
// Who          one workgroup per part, whose invocations stride over it; the grid covers PARTS
// Numerics     exact. Nothing is read if the range stays
//
// needs: Control, LEN, PARTS, WORKGROUP, reduce_max, stored
// gives: run(group: u32, local: u32)

var<storage, read> control: Control;
var<storage, read> input: array<stored>;
var<storage, read_write> workspace: array<f32>;

fn run(group: u32, local: u32) {
    var largest = 0.0;
    let end = select(0u, LEN, control.range_momentum != 0.0);
    for (var i = group * WORKGROUP + local; i < end; i += PARTS * WORKGROUP) {
        largest = max(largest, f32(input[i]));
    }
    largest = reduce_max(local, largest);
    if local == 0u {
        workspace[group] = largest;
    }
}
