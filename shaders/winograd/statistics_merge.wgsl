// Winograd, statistics, last dispatch: the segments' (count, mean, M2) become the batch's mean and biased variance
//
// Buffers      partials: of each chunk of images, which begin every STRIDE words, [SEGMENTS, 3, C]; ALL in all;
//              batch_mean, batch_var [C]
// Who          one workgroup a channel; invocation t merges the segments t, t + MERGERS, ... in order, then the
//              invocations merge in a fixed tree
// Numerics     Chan's formula throughout

@group(0) @binding(0) var<storage, read> partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> batch_mean: array<f32>;
@group(0) @binding(2) var<storage, read_write> batch_var: array<f32>;

const MERGERS: u32 = 256u;

// A set of values: how many, their mean, the sum of their squared deviations.
struct Moments {
    count: f32,
    mean: f32,
    m2: f32,
}

var<workgroup> scratch: array<Moments, MERGERS>;

fn merge(a: Moments, b: Moments) -> Moments {
    let total = a.count + b.count;
    if total == 0.0 {
        return a;
    }
    let delta = b.mean - a.mean;
    let share = b.count / total;
    return Moments(total, a.mean + delta * share, a.m2 + b.m2 + delta * delta * (a.count * share));
}

@compute @workgroup_size(MERGERS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let c = grid_index(workgroup, workgroups);
    if c >= C {
        return;
    }
    var mine = Moments(0.0, 0.0, 0.0);
    for (var segment = local; segment < ALL; segment += MERGERS) {
        let at = segment / SEGMENTS * STRIDE + segment % SEGMENTS * 3u * C + c;
        mine = merge(mine, Moments(partials[at], partials[at + C], partials[at + 2u * C]));
    }
    scratch[local] = mine;
    workgroupBarrier();
    for (var half = MERGERS / 2u; half > 0u; half /= 2u) {
        if local < half {
            scratch[local] = merge(scratch[local], scratch[local + half]);
        }
        workgroupBarrier();
    }
    if local == 0u {
        batch_mean[c] = scratch[0].mean;
        batch_var[c] = scratch[0].m2 / scratch[0].count;
    }
}
