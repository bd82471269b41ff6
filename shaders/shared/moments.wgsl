// Mean and variance of sets of values that a workgroup merges in a fixed tree.
//
// Numerics     Chan's formula throughout
// Source       Chan, Golub, LeVeque: "Updating formulae and a pairwise algorithm for computing sample variances" (1979)
//
// needs: WORKGROUP
// gives: Moments, moments_scratch
// gives: merge(a: Moments, b: Moments) -> Moments
// gives: merge_all(local: u32, mine: Moments) -> Moments

// A set of values: count, mean, sum of squared deviations.
struct Moments {
    count: f32,
    mean: f32,
    m2: f32,
}

var<workgroup> moments_scratch: array<Moments, WORKGROUP>;

fn merge(a: Moments, b: Moments) -> Moments {
    let total = a.count + b.count;
    if total == 0.0 {
        return a;
    }
    let delta = b.mean - a.mean;
    let share = b.count / total;
    return Moments(total, a.mean + delta * share, a.m2 + b.m2 + delta * delta * (a.count * share));
}

// The moments over all invocations, valid in the first one. All must call it.
fn merge_all(local: u32, mine: Moments) -> Moments {
    moments_scratch[local] = mine;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if local < half {
            moments_scratch[local] = merge(moments_scratch[local], moments_scratch[local + half]);
        }
        workgroupBarrier();
    }
    return moments_scratch[0];
}
