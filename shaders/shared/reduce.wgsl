// Reductions over a workgroup in a fixed tree, so that the same input gives the same bits. All invocations must
// call them, and all get the result.
//
// needs: WORKGROUP
// gives: reduce_scratch
// gives: reduce_sum(local: u32, value: f32) -> f32
// gives: reduce_max(local: u32, value: f32) -> f32

var<workgroup> reduce_scratch: array<f32, WORKGROUP>;

fn reduce_sum(local: u32, value: f32) -> f32 {
    workgroupBarrier();
    reduce_scratch[local] = value;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if local < half {
            reduce_scratch[local] += reduce_scratch[local + half];
        }
        workgroupBarrier();
    }
    return reduce_scratch[0];
}

fn reduce_max(local: u32, value: f32) -> f32 {
    workgroupBarrier();
    reduce_scratch[local] = value;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if local < half {
            reduce_scratch[local] = max(reduce_scratch[local], reduce_scratch[local + half]);
        }
        workgroupBarrier();
    }
    return reduce_scratch[0];
}
