// fake_quantize.observe: range += momentum (largest - range), or largest if the range is 0
//
// Buffers      control; workspace [PARTS], the largest value of each part; range [1]
// Who          a single workgroup
// Numerics     f32
// Source       Jacob et al. (2018)
//
// needs: Control, PARTS, WORKGROUP, reduce_max
// gives: run(group: u32, local: u32)

var<storage, read> control: Control;
var<storage, read_write> workspace: array<f32>;
var<storage, read_write> range: array<f32, 1>;

fn run(group: u32, local: u32) {
    var largest = 0.0;
    for (var i = local; i < PARTS; i += WORKGROUP) {
        largest = max(largest, workspace[i]);
    }
    largest = reduce_max(local, largest);
    let momentum = control.range_momentum;
    if local == 0u && momentum != 0.0 {
        let before = range[0];
        range[0] = select(before + momentum * (largest - before), largest, before == 0.0);
    }
}
