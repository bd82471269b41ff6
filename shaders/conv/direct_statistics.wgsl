// conv.forward, direct: mean and M2 (the sum of squared deviations) of what an invocation stores: in f16
// an outlier's rounding shows in the variance.
//
// Buffers      workspace [CHUNKS, 2, OUT] as `elem`: what batch_norm/statistics_merge*.wgsl merges
// Numerics     sums of d and d^2 about the chunk's first value, M2 = sum d^2 - (sum d)^2 / n. The first value is one of the
//              chunk's, so its own squared deviation is at most M2 and (sum d)^2 / n at most n M2: whatever the mean, the
//              difference loses a factor of n (some 256) of f32's precision at worst. A chunk of equal values has M2 = 0

@group(0) @binding(4) var<storage, read_write> workspace: array<elem>;

var<private> begun: bool = false;
var<private> first: elem = elem(0.0);
var<private> sum_d: elem = elem(0.0);
var<private> sum_d2: elem = elem(0.0);

fn observe(y: elem) {
    if !begun {
        first = y;
        begun = true;
    }
    let d = y - first;
    sum_d += d;
    sum_d2 += d * d;
}

fn report(chunk: u32, column: u32, count: f32) {
    let m2 = sum_d2 - sum_d * (sum_d / count);
    workspace[chunk * 2u * COLUMNS + column] = first + sum_d / count;
    // Not `max`, which may lose a NaN.
    workspace[(chunk * 2u + 1u) * COLUMNS + column] = select(m2, elem(0.0), m2 < elem(0.0));
}
