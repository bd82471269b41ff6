// conv.grad_weight, second dispatch: where shared/merge_splits.wgsl puts a sum. ACCUMULATE adds to what is there.

@group(0) @binding(1) var<storage, read_write> grad_weight: array<f32>;

fn keep(i: u32, sum: f32) {
    if ACCUMULATE {
        grad_weight[i] += sum;
    } else {
        grad_weight[i] = sum;
    }
}
