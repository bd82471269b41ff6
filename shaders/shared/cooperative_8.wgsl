// 8 x 8 matrices for shared/matmul_cooperative.wgsl, as in Metal: loaded from single values.
//
// needs: slab_a, slab_b
// gives: SIDE, Left, Right, Sum, Slab, SLAB_LANES
// gives: stage_a(at: u32, values: array<vec4<f16>, 2>)
// gives: stage_b(at: u32, values: array<vec4<f16>, 2>)

const SIDE: u32 = 8u;

alias Left = coop_mat8x8<f16, A>;
alias Right = coop_mat8x8<f16, B>;
alias Sum = coop_mat8x8<f32, C>;

// The element of slabs, and its number of values.
alias Slab = f16;
const SLAB_LANES: u32 = 1u;

fn stage_a(at: u32, values: array<vec4<f16>, 2>) {
    slab_a[at] = values[0].x;
    slab_a[at + 1u] = values[0].y;
    slab_a[at + 2u] = values[0].z;
    slab_a[at + 3u] = values[0].w;
    slab_a[at + 4u] = values[1].x;
    slab_a[at + 5u] = values[1].y;
    slab_a[at + 6u] = values[1].z;
    slab_a[at + 7u] = values[1].w;
}

fn stage_b(at: u32, values: array<vec4<f16>, 2>) {
    slab_b[at] = values[0].x;
    slab_b[at + 1u] = values[0].y;
    slab_b[at + 2u] = values[0].z;
    slab_b[at + 3u] = values[0].w;
    slab_b[at + 4u] = values[1].x;
    slab_b[at + 5u] = values[1].y;
    slab_b[at + 6u] = values[1].z;
    slab_b[at + 7u] = values[1].w;
}
