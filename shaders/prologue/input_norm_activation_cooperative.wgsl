// Prologue for products on matrix units: eight values of the input after batch norm and an activation,
// activate((x - mean) scale + shift).
//
// Buffers      input, eight f16 in four words; affine [4, INPUT_C] (mean, scale, shift, inverse standard deviation) as `input_elem`
//              along the channels, of which `results` has the first three from INPUT_BASE on, 12 f32 a quad of channels
//
// needs: INPUT_BASE, INPUT_C, Spot, input_activate, input_elem, quad_of, results
// gives: input, affine, InputRaw
// gives: input_prepare(slot: u32, quad: u32)
// gives: input_raw(spot: Spot) -> InputRaw
// gives: input_quad(a: u32, b: u32, at: u32, spot: Spot) -> vec4<f16>
// gives: input_value(raw: InputRaw, spot: Spot) -> array<vec4<f16>, 2>

var<storage, read> input: array<vec4<u32>>;
var<storage, read> affine: array<input_elem>;

alias InputRaw = vec4<u32>;

fn input_prepare(slot: u32, quad: u32) {
    for (var v = 0u; v < 3u; v++) {
        let vector = affine[v * INPUT_C + quad];
        for (var i = 0u; i < 4u; i++) {
            results[INPUT_BASE + slot * 12u + v * 4u + i] = vector[i];
        }
    }
}

fn input_raw(spot: Spot) -> InputRaw {
    return input[spot.at];
}

fn input_quad(a: u32, b: u32, at: u32, spot: Spot) -> vec4<f16> {
    let centered = vec4<f32>(unpack2x16float(a), unpack2x16float(b)) - quad_of(at);
    let y = input_activate(centered * quad_of(at + 4u) + quad_of(at + 8u));
    return vec4<f16>(select(vec4<f32>(), y, spot.mask != 0u));
}

fn input_value(raw: InputRaw, spot: Spot) -> array<vec4<f16>, 2> {
    let at = INPUT_BASE + spot.slot * 12u;
    return array<vec4<f16>, 2>(input_quad(raw.x, raw.y, at, spot), input_quad(raw.z, raw.w, at + 12u, spot));
}
