// Epilogue of a product for split K: the partial sums go to workspace [SPLITS, M, N] as `elem`, and shared/merge_splits*.wgsl adds
// them.
//
// needs: elem
// gives: workspace
// gives: store(i: u32, sum: elem)

var<storage, read_write> workspace: array<elem>;

fn store(i: u32, sum: elem) {
    workspace[i] = sum;
}
