// Winograd, the largest magnitudes of an operand before its transform: maxima[group] of every WORKGROUPS-th workgroup's elems
//
// The preceding file has the elems: magnitude(i), i < ELEMS.
//
// Buffers      maxima [WORKGROUPS]
// Who          one workgroup for each maximum
// Numerics     exact; NaN may be passed over
//
// needs: ELEMS, WORKGROUP, WORKGROUPS, magnitude, reduce_max
// gives: run(group: u32, local: u32)

var<storage, read_write> maxima: array<f32>;

fn run(group: u32, local: u32) {
    var largest = 0.0;
    for (var i = group * WORKGROUP + local; i < ELEMS; i += WORKGROUPS * WORKGROUP) {
        largest = max(largest, magnitude(i));
    }
    let of_all = reduce_max(local, largest);
    if local == 0u {
        maxima[group] = of_all;
    }
}
