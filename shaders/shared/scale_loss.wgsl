// The scale of gradients, the factor that removes it in an update, whether the update is skipped, and Adam's corrections, with loss
// scaling.
//
// Buffers      loss_scale
//
// needs: LossScale
// gives: loss_scale
// gives: scale() -> f32
// gives: unscale() -> f32
// gives: skipped() -> bool
// gives: corrections(host: vec2<f32>) -> vec2<f32>

var<storage, read> loss_scale: LossScale;

// That of this step's gradients before loss_scale.update, of the next step's after it.
fn scale() -> f32 {
    return loss_scale.scale;
}

fn unscale() -> f32 {
    return loss_scale.unscale;
}

fn skipped() -> bool {
    return loss_scale.skip != 0.0;
}

fn corrections(host: vec2<f32>) -> vec2<f32> {
    return vec2(loss_scale.bias_correction1, loss_scale.bias_correction2);
}
