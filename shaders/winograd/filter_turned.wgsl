// Winograd, filters for the gradient of the input: rotated by 180 degrees; rows are output channels, columns four input
// channels.
//
// Buffers      weight [3, 3, IN, OUT] as `weight_stored`, a scalar
// Who          a workgroup transposes HIGH rows of WIDE columns: its reads are contiguous along the rows, its writes along the
//              columns
//
// needs: COLUMNS, HIGH, IN, OUT, WIDE, WORKGROUP, weight_stored
// gives: weight
// gives: place(index: u32) -> vec2<u32>
// gives: tap(t: u32, row: u32, column: u32) -> vec4<f32>

var<storage, read> weight: array<weight_stored>;

fn place(index: u32) -> vec2<u32> {
    let block = index / WORKGROUP;
    let blocks = (COLUMNS + WIDE - 1u) / WIDE;
    let within = index % WORKGROUP;
    return vec2(block / blocks * HIGH + within / WIDE, block % blocks * WIDE + within % WIDE);
}

fn tap(t: u32, row: u32, column: u32) -> vec4<f32> {
    var g = vec4<f32>(0.0);
    for (var i = 0u; i < 4u; i++) {
        let c = column * 4u + i;
        if c < IN && row < OUT {
            g[i] = f32(weight[((8u - t) * IN + c) * OUT + row]);
        }
    }
    return g;
}
