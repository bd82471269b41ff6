// Prologue for products on matrix units: eight values of the input after a norm of each image and an activation,
// activate((x - mean) scale + shift).
//
// Buffers      input, eight f16 in four words; affine [IMAGES, 4, INPUT_C] (mean, scale, shift, inverse standard deviation) as
//              `input_elem` along the channels, of which the first INPUT_IMAGES_BEFORE images are not those of `input`
//
// needs: INPUT_C, INPUT_IMAGE, INPUT_IMAGES_BEFORE, Spot, input_activate, input_elem
// gives: input, affine, InputRaw
// gives: input_prepare(slot: u32, quad: u32)
// gives: input_raw(spot: Spot) -> InputRaw
// gives: input_quad(a: u32, b: u32, i: u32, spot: Spot) -> vec4<f16>
// gives: input_value(raw: InputRaw, spot: Spot) -> array<vec4<f16>, 2>

var<storage, read> input: array<vec4<u32>>;
var<storage, read> affine: array<input_elem>;

alias InputRaw = vec4<u32>;

// The vectors depend on the image, too, and are loaded with the value.
fn input_prepare(slot: u32, quad: u32) {
}

fn input_raw(spot: Spot) -> InputRaw {
    return input[spot.at];
}

// Quad i of the input.
fn input_quad(a: u32, b: u32, i: u32, spot: Spot) -> vec4<f16> {
    let at = (i / INPUT_IMAGE + INPUT_IMAGES_BEFORE) * 4u * INPUT_C + i % INPUT_C;
    let centered = vec4<f32>(unpack2x16float(a), unpack2x16float(b)) - affine[at];
    let y = input_activate(centered * affine[at + INPUT_C] + affine[at + 2u * INPUT_C]);
    return vec4<f16>(select(vec4<f32>(), y, spot.mask != 0u));
}

fn input_value(raw: InputRaw, spot: Spot) -> array<vec4<f16>, 2> {
    let i = spot.at * 2u;
    return array<vec4<f16>, 2>(input_quad(raw.x, raw.y, i, spot), input_quad(raw.z, raw.w, i + 1u, spot));
}
