// conv.grad_weight, first of two dispatches: stores the partial sum of a split.
//
// Buffers      workspace [SPLITS, 3, 3, IN, OUT] as `elem`
//
// needs: elem
// gives: workspace
// gives: store(i: u32, sum: elem)

var<storage, read_write> workspace: array<elem>;

fn store(i: u32, sum: elem) {
    workspace[i] = sum;
}
