// No prologue, for products on matrix units: eight values of the gradient of an output are loaded unchanged.
//
// Buffers      grad_output, as octets of f16
//
// needs: Spot, kept
// gives: grad_output, GradRaw
// gives: grad_prepare(slot: u32, quad: u32)
// gives: grad_raw(spot: Spot) -> GradRaw
// gives: grad_value(raw: GradRaw, spot: Spot) -> array<vec4<f16>, 2>

var<storage, read> grad_output: array<array<vec4<f16>, 2>>;

alias GradRaw = array<vec4<f16>, 2>;

fn grad_prepare(slot: u32, quad: u32) {
}

fn grad_raw(spot: Spot) -> GradRaw {
    return grad_output[spot.at];
}

fn grad_value(raw: GradRaw, spot: Spot) -> array<vec4<f16>, 2> {
    return kept(spot, raw);
}
