// A product whose K is split: its results are parts, workspace [SPLITS, M, N] as `elem`, that shared/merge_splits.wgsl adds.
//
// needs: elem
// gives: workspace
// gives: keep(i: u32, sum: elem)

@group(0) @binding(4) var<storage, read_write> workspace: array<elem>;

fn keep(i: u32, sum: elem) {
    workspace[i] = sum;
}
