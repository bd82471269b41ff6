// The factor of an update's gradients, whether the update is skipped, and Adam's corrections, without loss scaling: 1, false and
// the host's.
//
// needs: nothing
// gives: unscale() -> f32
// gives: skipped() -> bool
// gives: corrections(host: vec2<f32>) -> vec2<f32>

fn unscale() -> f32 {
    return 1.0;
}

fn skipped() -> bool {
    return false;
}

fn corrections(host: vec2<f32>) -> vec2<f32> {
    return host;
}
