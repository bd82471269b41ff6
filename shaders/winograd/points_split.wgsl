// Winograd, transformed values as sums of two f16: value scale = high + low, where the scale is a power of two that keeps the
// largest value in range.
//
// Buffers      points [2, HALF] as `half_elem`: all high parts, then all low ones; scales [2]: that of the left matrix of the
//              product, and of the right one, of which SLOT is the operand's
// Numerics     high is the value rounded to the 11 bits of f16, low the rest, which is exact in f32, rounded again: together 22 bits, or
//              a multiple of 2^-24 / scale
// Source       Markidis and others: "NVIDIA tensor core programmability, performance and precision" (2018)
//
// needs: HALF, SLOT, elem, half_elem, index
// gives: points, scales
// gives: store_point(i: u32, value: elem)

var<storage, read_write> points: array<half_elem>;
var<storage, read> scales: array<f32>;

fn store_point(i: u32, value: elem) {
    let scaled = value * scales[SLOT];
    // Rounded to 11 bits as an integer: compilers take a conversion to f16 and back for nothing.
    let high = bitcast<elem>((bitcast<index>(scaled) + index(0x1000u)) & index(0xffffe000u));
    points[i] = half_elem(high);
    points[HALF + i] = half_elem(scaled - high);
}
