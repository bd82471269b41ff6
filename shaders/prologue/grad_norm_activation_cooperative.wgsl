// Prologue for products on matrix units: eight values of the gradient of an output back through the activation and batch norm,
// scale g - (offset + slope (output - mean)), where g is grad_output times the activation's slope at (output - mean) scale + shift.
//
// Buffers      grad_output, output, eight f16 in four words; grad_affine [5, GRAD_C] (mean, scale, shift, offset, slope) as
//              `grad_elem` along the channels, which `results` has from GRAD_BASE on, 20 f32 a quad of channels
//
// needs: GRAD_BASE, GRAD_C, Spot, grad_activate_grad, grad_elem, quad_of, results
// gives: grad_output, output, grad_affine, GradRaw
// gives: grad_prepare(slot: u32, quad: u32)
// gives: grad_raw(spot: Spot) -> GradRaw
// gives: grad_quad(g: vec2<u32>, y: vec2<u32>, at: u32, spot: Spot) -> vec4<f16>
// gives: grad_value(raw: GradRaw, spot: Spot) -> array<vec4<f16>, 2>

var<storage, read> grad_output: array<vec4<u32>>;
var<storage, read> output: array<vec4<u32>>;
var<storage, read> grad_affine: array<grad_elem>;

struct GradRaw {
    gradient: vec4<u32>,
    output: vec4<u32>,
}

fn grad_prepare(slot: u32, quad: u32) {
    for (var v = 0u; v < 5u; v++) {
        let vector = grad_affine[v * GRAD_C + quad];
        for (var i = 0u; i < 4u; i++) {
            results[GRAD_BASE + slot * 20u + v * 4u + i] = vector[i];
        }
    }
}

fn grad_raw(spot: Spot) -> GradRaw {
    return GradRaw(grad_output[spot.at], output[spot.at]);
}

fn grad_quad(g: vec2<u32>, y: vec2<u32>, at: u32, spot: Spot) -> vec4<f16> {
    let centered = vec4<f32>(unpack2x16float(y.x), unpack2x16float(y.y)) - quad_of(at);
    let scale = quad_of(at + 4u);
    let gradient = vec4<f32>(unpack2x16float(g.x), unpack2x16float(g.y));
    let through = grad_activate_grad(centered * scale + quad_of(at + 8u), gradient);
    let value = scale * through - (quad_of(at + 12u) + quad_of(at + 16u) * centered);
    return vec4<f16>(select(vec4<f32>(), value, spot.mask != 0u));
}

fn grad_value(raw: GradRaw, spot: Spot) -> array<vec4<f16>, 2> {
    let at = GRAD_BASE + spot.slot * 20u;
    return array<vec4<f16>, 2>(
        grad_quad(raw.gradient.xy, raw.output.xy, at, spot),
        grad_quad(raw.gradient.zw, raw.output.zw, at + 20u, spot),
    );
}
