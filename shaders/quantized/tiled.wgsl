// Products of bytes and signed weights, tile by tile through workgroup memory.
//
// The preceding files declare the input: load(row, k) is word k of a row of the left matrix, four signed bytes, and any word beyond the
// edges. M, K are the rows and the words of a row; QUADS the quads of outputs; store(row, quad, sums) gets four finished sums.
//
// Buffers      those that the fragments before this one declare
// Who          one workgroup of WORKGROUP = 64 invocations per 64 rows x 16 quads. An invocation has 2 x 2 blocks of 4 rows x 1 quad, half
//              a tile apart: per word of K, 4 vec4 loads from workgroup memory serve 64 products of four bytes. Slabs of SLAB words
//              are double-buffered: while one is multiplied, the next is loaded into registers. The grid covers the tiles, those of a row
//              of tiles fastest
// Numerics     exact
// Source       as shared/matmul_tiled.wgsl
// Where        hardware GPUs, any extents
//
// needs: K, M, QUADS, WORKGROUP, begin, load, products, store, weight
// gives: run(group: u32, local: u32)

const SLAB: u32 = 8u;
const TILES: u32 = (QUADS + 15u) / 16u;
// vec4 of a slab's row, one more than the tile's, so that stores spread over the banks.
const PITCH: u32 = 17u;

var<workgroup> slab_a: array<vec4<u32>, 2u * SLAB * PITCH>;
var<workgroup> slab_b: array<vec4<u32>, 2u * SLAB * PITCH>;

// The sums of four rows and one quad.
struct Block {
    r0: vec4<i32>,
    r1: vec4<i32>,
    r2: vec4<i32>,
    r3: vec4<i32>,
}

fn start(quad: u32) -> Block {
    let sums = begin(min(quad, QUADS - 1u));
    return Block(sums, sums, sums, sums);
}

fn add(block: Block, a: vec4<u32>, b: vec4<u32>) -> Block {
    return Block(
        block.r0 + products(a.x, b),
        block.r1 + products(a.y, b),
        block.r2 + products(a.z, b),
        block.r3 + products(a.w, b),
    );
}

fn store_one(row: u32, quad: u32, sums: vec4<i32>) {
    if row < M && quad < QUADS {
        store(row, quad, sums);
    }
}

fn store_block(row: u32, quad: u32, block: Block) {
    store_one(row, quad, block.r0);
    store_one(row + 1u, quad, block.r1);
    store_one(row + 2u, quad, block.r2);
    store_one(row + 3u, quad, block.r3);
}

fn run(group: u32, local: u32) {
    let row0 = group / TILES * 64u;
    let quad0 = group % TILES * 16u;
    let mine_m = local / 8u;
    let mine_n = local % 8u;
    var b00 = start(quad0 + mine_n);
    var b10 = b00;
    var b01 = start(quad0 + mine_n + 8u);
    var b11 = b01;
    var next_a: array<u32, 8>;
    var next_b: array<vec4<u32>, 2>;
    var half = 0u;
    // One iteration more than slabs: the first only loads.
    for (var k0 = 0u; k0 < K + SLAB; k0 += SLAB) {
        let more = k0 < K;
        if more {
            // Eight invocations load the eight words of a row.
            let k = k0 + local % SLAB;
            for (var i = 0u; i < 8u; i++) {
                next_a[i] = load(min(row0 + local / SLAB + i * 8u, M - 1u), min(k, K - 1u));
            }
            for (var i = 0u; i < 2u; i++) {
                let at = local + i * WORKGROUP;
                let quad = min(quad0 + at % 16u, QUADS - 1u);
                next_b[i] = vec4(0u);
                if k0 + at / 16u < K {
                    next_b[i] = weight[(quad / 4u * K + k0 + at / 16u) * 4u + quad % 4u];
                }
            }
        }
        if k0 > 0u {
            for (var k = 0u; k < SLAB; k++) {
                let a = ((1u - half) * SLAB + k) * PITCH + mine_m;
                let b = ((1u - half) * SLAB + k) * PITCH + mine_n;
                let a0 = slab_a[a];
                let a1 = slab_a[a + 8u];
                let w0 = slab_b[b];
                let w1 = slab_b[b + 8u];
                b00 = add(b00, a0, w0);
                b01 = add(b01, a0, w1);
                b10 = add(b10, a1, w0);
                b11 = add(b11, a1, w1);
            }
        }
        if more {
            let first = (half * SLAB + local % SLAB) * PITCH;
            for (var i = 0u; i < 8u; i++) {
                let row = local / SLAB + i * 8u;
                slab_a[first + row / 4u][row % 4u] = next_a[i];
            }
            for (var i = 0u; i < 2u; i++) {
                let at = local + i * WORKGROUP;
                slab_b[(half * SLAB + at / 16u) * PITCH + at % 16u] = next_b[i];
            }
        }
        workgroupBarrier();
        half = 1u - half;
    }
    let row = row0 + mine_m * 4u;
    let quad = quad0 + mine_n;
    store_block(row, quad, b00);
    store_block(row, quad + 8u, b01);
    store_block(row + 32u, quad, b10);
    store_block(row + 32u, quad + 8u, b11);
}
