// batch_norm.statistics, second dispatch: the chunks' (mean, M2) become the batch's mean and biased variance
//
// Buffers      workspace [CHUNKS, 2, C]; batch_mean, batch_var [C], which hold those of ROWS_BEFORE rows already
// Who          one workgroup a channel; invocation t merges the chunks t, t + WORKGROUP, ... in order, then the
//              invocations merge in a fixed tree
// Numerics     Chan's formula throughout

@group(0) @binding(0) var<storage, read> workspace: array<f32>;
@group(0) @binding(1) var<storage, read_write> batch_mean: array<f32>;
@group(0) @binding(2) var<storage, read_write> batch_var: array<f32>;

// A set of values: how many, their mean, the sum of their squared deviations.
struct Moments {
    count: f32,
    mean: f32,
    m2: f32,
}

var<workgroup> scratch: array<Moments, WORKGROUP>;

fn merge(a: Moments, b: Moments) -> Moments {
    let total = a.count + b.count;
    if total == 0.0 {
        return a;
    }
    let delta = b.mean - a.mean;
    let share = b.count / total;
    return Moments(total, a.mean + delta * share, a.m2 + b.m2 + delta * delta * (a.count * share));
}

@compute @workgroup_size(WORKGROUP)
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
    for (var chunk = local; chunk < CHUNKS; chunk += WORKGROUP) {
        let rows = min(CHUNK, ROWS - chunk * CHUNK);
        mine = merge(mine, Moments(f32(rows), workspace[chunk * 2u * C + c], workspace[(chunk * 2u + 1u) * C + c]));
    }
    scratch[local] = mine;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if local < half {
            scratch[local] = merge(scratch[local], scratch[local + half]);
        }
        workgroupBarrier();
    }
    if local == 0u {
        var all = scratch[0];
        if ROWS_BEFORE > 0u {
            let before = f32(ROWS_BEFORE);
            all = merge(Moments(before, batch_mean[c], batch_var[c] * before), all);
        }
        batch_mean[c] = all.mean;
        batch_var[c] = all.m2 / all.count;
    }
}
