// average.update: average = d average + (1 - d) value with d = min(DECAY, (1 + t) / (10 + t)) in step t; value itself in step 1
//
// Buffers      control; value, average [len], as `elem`
// Who          one invocation per elem; the grid covers len
// Numerics     f32; the average's contents before step 1 do not matter
// Source       TensorFlow's ExponentialMovingAverage with num_updates; the first step is PyTorch's AveragedModel's
// Where        memory-bound: 12 bytes per element
//
// needs: Control, DECAY, ONE_MINUS_DECAY, elem
// gives: each(i: u32)

var<storage, read> control: Control;
var<storage, read> value: array<elem>;
var<storage, read_write> average: array<elem>;

fn each(i: u32) {
    if i >= arrayLength(&average) {
        return;
    }
    if control.step == 1u {
        average[i] = value[i];
    } else {
        let t = f32(control.step);
        let decay = min(DECAY, (1.0 + t) / (10.0 + t));
        average[i] = decay * average[i] + max(ONE_MINUS_DECAY, 9.0 / (10.0 + t)) * value[i];
    }
}
