// Matrix A of shared/matmul_cooperative.wgsl is loaded without a prologue.
//
// needs: Spot, kept
// gives: RawA
// gives: prepare(row0: u32, column0: u32, local: u32)
// gives: value_a(raw: RawA, spot: Spot) -> array<vec4<f16>, 2>

alias RawA = array<vec4<f16>, 2>;

fn prepare(row0: u32, column0: u32, local: u32) {
}

fn value_a(raw: RawA, spot: Spot) -> array<vec4<f16>, 2> {
    return kept(spot, raw);
}
