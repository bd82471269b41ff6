// Winograd, the scale of an operand of split f16: the largest power of two for which no transformed value exceeds 2^15
//
// A transform is at most 2^GROWTH times the largest value of its operand: the product of the largest sums of magnitudes of its rows.
//
// Buffers      maxima [MAXIMA]; scales [2], of which SLOT is stored
// Who          one workgroup
// Numerics     exact: an exponent, from 2^-126 to 2^100, the latter for operands of zeros
//
// needs: GROWTH, MAXIMA, SLOT, WORKGROUP, reduce_max
// gives: run(group: u32, local: u32)

var<storage, read> maxima: array<f32>;
var<storage, read_write> scales: array<f32>;

fn run(group: u32, local: u32) {
    var largest = 0.0;
    for (var i = local; i < MAXIMA; i += WORKGROUP) {
        largest = max(largest, maxima[i]);
    }
    let of_all = reduce_max(local, largest);
    if local == 0u {
        // of_all < 2^(exponent - 126)
        let exponent = i32(bitcast<u32>(of_all) >> 23u);
        scales[SLOT] = bitcast<f32>(u32(clamp(268 - i32(GROWTH) - exponent, 1, 227)) << 23u);
    }
}
