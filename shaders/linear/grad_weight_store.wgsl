// linear.grad_weight: stores a finished sum.
//
// Buffers      grad_weight [OUT, IN] as `elem`
//
// needs: elem
// gives: grad_weight
// gives: store(i: u32, sum: elem)
// gives: ready()

var<storage, read_write> grad_weight: array<elem>;

fn store(i: u32, sum: elem) {
    grad_weight[i] = sum;
}

// Called by linear/grad_weight_lanes.wgsl before any branch: there is nothing to load here.
fn ready() {
}
