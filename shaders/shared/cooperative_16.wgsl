// 16 x 16 matrices for shared/matmul_cooperative.wgsl, as in Vulkan: loaded from vec4.
//
// needs: slab_a, slab_b
// gives: SIDE, Left, Right, Sum, Slab, SLAB_LANES
// gives: stage_a(at: u32, values: array<vec4<f16>, 2>)
// gives: stage_b(at: u32, values: array<vec4<f16>, 2>)

const SIDE: u32 = 16u;

alias Left = coop_mat16x16<f16, A>;
alias Right = coop_mat16x16<f16, B>;
alias Sum = coop_mat16x16<f32, C>;

// The element of slabs, and its number of values.
alias Slab = vec4<f16>;
const SLAB_LANES: u32 = 4u;

fn stage_a(at: u32, values: array<vec4<f16>, 2>) {
    slab_a[at / 4u] = values[0];
    slab_a[at / 4u + 1u] = values[1];
}

fn stage_b(at: u32, values: array<vec4<f16>, 2>) {
    slab_b[at / 4u] = values[0];
    slab_b[at / 4u + 1u] = values[1];
}
