// The values that the host uploads before each step; the same struct as ops::Control.
//
// needs: nothing
// gives: Control

struct Control {
    step: u32,
    seed_low: u32,
    seed_high: u32,
    valid: u32,
    learning_rate: f32,
    bias_correction1: f32,
    bias_correction2: f32,
    range_momentum: f32,
    batch: u32,
    share: f32,
    first: u32,
    reserved: array<u32, 5>,
}
