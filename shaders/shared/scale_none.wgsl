// What an update multiplies gradients by, whether it is taken, and Adam's corrections: nothing, yes, the host's.
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
