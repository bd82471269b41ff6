// accumulate.add: mean = share gradient for the first batch of a step, mean + share gradient for the others
//
// Buffers      control; gradient, mean [len], as `elem`
// Who          one invocation per elem; the grid covers len
// Numerics     f32; the mean's contents before the first batch do not matter
// Where        memory-bound: 12 bytes per element
//
// needs: Control, elem
// gives: each(i: u32)

var<storage, read> control: Control;
var<storage, read> gradient: array<elem>;
var<storage, read_write> mean: array<elem>;

fn each(i: u32) {
    if i >= arrayLength(&mean) {
        return;
    }
    let term = control.share * gradient[i];
    if control.first == 1u {
        mean[i] = term;
    } else {
        mean[i] += term;
    }
}
