// One step of Adam on an `elem` with a given gradient, for adam/update.wgsl and linear/update_store.wgsl.
//
//   m = BETA1 m + (1 - BETA1) g,  v = BETA2 v + (1 - BETA2) g^2,
//   parameter -= learning_rate * ((m / correction1) / (sqrt(v / correction2) + EPS) + DECAY_APART * parameter),
//   where g = gradient * unscale + DECAY_WITHIN * parameter
//
// Buffers      control; parameter, m, v [len], as `elem`
// Numerics     f32; the corrections 1 - beta^step are computed by the host in f64, or with loss scaling by a recurrence;
//              unscaling is exact, as the scale is a power of two
// Source       Kingma and Ba (2015), EPS outside the root as in PyTorch; Loshchilov and Hutter (2019)
//
// needs: BETA1, BETA2, Control, DECAY_APART, DECAY_WITHIN, EPS, ONE_MINUS_BETA1, ONE_MINUS_BETA2, corrections
// needs: elem, unscale, updated
// gives: control, parameter, m, v, Rates
// gives: adam_rates() -> Rates
// gives: adam_step(i: u32, gradient: elem, rates: Rates)

var<storage, read> control: Control;
var<storage, read_write> parameter: array<elem>;
var<storage, read_write> m: array<elem>;
var<storage, read_write> v: array<elem>;

// The values common to all elements. Software adapters load them fast only while all invocations are active: before any branch.
struct Rates {
    learning_rate: f32,
    correction1: f32,
    correction2: f32,
    unscale: f32,
}

fn adam_rates() -> Rates {
    let correction = corrections(vec2(control.bias_correction1, control.bias_correction2));
    return Rates(control.learning_rate, correction.x, correction.y, unscale());
}

fn adam_step(i: u32, gradient: elem, rates: Rates) {
    let p = parameter[i];
    let g = gradient * rates.unscale + DECAY_WITHIN * p;
    let m_new = BETA1 * m[i] + ONE_MINUS_BETA1 * g;
    let v_new = BETA2 * v[i] + ONE_MINUS_BETA2 * g * g;
    m[i] = m_new;
    v[i] = v_new;
    let denominator = sqrt(v_new / rates.correction2) + elem(EPS);
    let stepped = p - rates.learning_rate * ((m_new / rates.correction1) / denominator + DECAY_APART * p);
    parameter[i] = updated(p, stepped);
}
