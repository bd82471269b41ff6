// The loss-scaling state; the same struct as ops::LossScale.
//
// needs: nothing
// gives: LossScale

struct LossScale {
    scale: f32,
    good: f32,
    unscale: f32,
    skip: f32,
    bias_correction1: f32,
    bias_correction2: f32,
    skipped: f32,
    reserved: f32,
}
