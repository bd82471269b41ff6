// loss_scale.update: decides whether the step is taken, and the scale of the next one
//
// unscale = 1 / scale. On overflow skip = 1, scale /= 2, good = 0; else skip = 0, Adam's corrections advance by a step, and
// scale *= 2 after GROWTH_INTERVAL good steps. Clears overflow.
//
// Buffers      overflow [1]; loss_scale
// Who          one invocation
// Numerics     1 - beta^t by the recurrence (1 - beta) + beta c, which does not cancel; scales are powers of two
//
// needs: BETA1, BETA2, GROWTH_INTERVAL, LEAST, LossScale, MOST, ONE_MINUS_BETA1, ONE_MINUS_BETA2
// gives: each(only: u32)

var<storage, read_write> overflow: array<u32>;
var<storage, read_write> loss_scale: LossScale;

fn each(only: u32) {
    let scale = loss_scale.scale;
    loss_scale.unscale = 1.0 / scale;
    if overflow[0] != 0u {
        loss_scale.skip = 1.0;
        loss_scale.skipped += 1.0;
        loss_scale.good = 0.0;
        loss_scale.scale = max(scale * 0.5, LEAST);
    } else {
        loss_scale.skip = 0.0;
        loss_scale.bias_correction1 = ONE_MINUS_BETA1 + BETA1 * loss_scale.bias_correction1;
        loss_scale.bias_correction2 = ONE_MINUS_BETA2 + BETA2 * loss_scale.bias_correction2;
        let good = loss_scale.good + 1.0;
        let grow = good >= GROWTH_INTERVAL;
        loss_scale.good = select(good, 0.0, grow);
        loss_scale.scale = select(scale, min(scale * 2.0, MOST), grow);
    }
    overflow[0] = 0u;
}
