// Winograd, output transform: (count, mean, M2) of each segment's outputs, for winograd/statistics_merge*.wgsl.
//
// Buffers      partials [SEGMENTS, 3, C] as `elem`
// Numerics     a tile is reduced in registers about its own mean and merged into the segment by Chan's formula
//
// needs: C, OUTPUTS, Outputs, elem
// gives: partials, Moments
// gives: accumulate(moments: ptr<function, Moments>, values: ptr<function, array<Outputs, OUTPUTS>>, rows: u32, columns: u32, base: u32, c: u32)
// gives: store_statistics(segment: u32, c: u32, moments: Moments)

var<storage, read_write> partials: array<elem>;

struct Moments {
    count: f32,
    mean: elem,
    m2: elem,
}

// Takes a tile, of which `rows` x `columns` results are inside the image.
fn accumulate(
    moments: ptr<function, Moments>, values: ptr<function, array<Outputs, OUTPUTS>>, rows: u32, columns: u32, base: u32, c: u32,
) {
    var sum = elem(0.0);
    for (var i = 0u; i < OUTPUTS; i++) {
        for (var j = 0u; j < OUTPUTS; j++) {
            sum += select(elem(0.0), (*values)[i][j], i < rows && j < columns);
        }
    }
    let count = f32(rows * columns);
    let mean = sum / count;
    var m2 = elem(0.0);
    for (var i = 0u; i < OUTPUTS; i++) {
        for (var j = 0u; j < OUTPUTS; j++) {
            let deviation = select(elem(0.0), (*values)[i][j] - mean, i < rows && j < columns);
            m2 += deviation * deviation;
        }
    }
    let before = *moments;
    let total = before.count + count;
    let delta = mean - before.mean;
    let share = count / total;
    *moments = Moments(
        total,
        before.mean + delta * share,
        before.m2 + m2 + delta * delta * (before.count * share),
    );
}

fn store_statistics(segment: u32, c: u32, moments: Moments) {
    partials[segment * 3u * C + c] = elem(moments.count);
    partials[(segment * 3u + 1u) * C + c] = moments.mean;
    partials[(segment * 3u + 2u) * C + c] = moments.m2;
}
