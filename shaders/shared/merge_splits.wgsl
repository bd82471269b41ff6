// The second dispatch of a split-K product: result[i] = sum over the splits of workspace[split, i]
//
// Buffers      workspace [SPLITS, COUNT] as `elem`; `result` [COUNT] is declared by the preceding file with
//              fn store(i, sum)
// Who          one invocation per element; the grid covers COUNT
// Numerics     the splits are added in order
//
// needs: COUNT, SPLITS, elem, store
// gives: each(i: u32)

var<storage, read> workspace: array<elem>;

fn each(i: u32) {
    var sum = elem(0.0);
    for (var split = 0u; split < SPLITS; split++) {
        sum += workspace[split * COUNT + i];
    }
    store(i, sum);
}
