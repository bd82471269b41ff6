// No prologue, for products on matrix units: eight values of the input are loaded unchanged.
//
// Buffers      input, as octets of f16
//
// needs: Spot, kept
// gives: input, InputRaw
// gives: input_prepare(slot: u32, quad: u32)
// gives: input_raw(spot: Spot) -> InputRaw
// gives: input_value(raw: InputRaw, spot: Spot) -> array<vec4<f16>, 2>

var<storage, read> input: array<array<vec4<f16>, 2>>;

alias InputRaw = array<vec4<f16>, 2>;

fn input_prepare(slot: u32, quad: u32) {
}

fn input_raw(spot: Spot) -> InputRaw {
    return input[spot.at];
}

fn input_value(raw: InputRaw, spot: Spot) -> array<vec4<f16>, 2> {
    return kept(spot, raw);
}
