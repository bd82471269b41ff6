// Matrix B of shared/matmul_cooperative.wgsl is loaded without a prologue.
//
// needs: Spot, kept
// gives: RawB
// gives: value_b(raw: RawB, spot: Spot) -> array<vec4<f16>, 2>

alias RawB = array<vec4<f16>, 2>;

fn value_b(raw: RawB, spot: Spot) -> array<vec4<f16>, 2> {
    return kept(spot, raw);
}
