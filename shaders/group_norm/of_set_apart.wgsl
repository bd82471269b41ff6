// The moments of an elem's four values, which are of several sets.
//
// Buffers      moments [SETS, FIELDS]: mean, inv_std and, in the backward pass, two more means
//
// needs: FIELDS, GROUP, GROUPS, PIXELS, elem
// gives: moments
// gives: position_of(row: u32, channel: u32) -> u32
// gives: of_set(row: u32, c: u32, field: u32) -> elem

var<storage, read> moments: array<f32>;

// The position of the set of a channel at a pixel of the batch.
fn position_of(row: u32, channel: u32) -> u32 {
    return (row / PIXELS * GROUPS + channel / GROUP) * FIELDS;
}

fn of_set(row: u32, c: u32, field: u32) -> elem {
    return elem(
        moments[position_of(row, 4u * c) + field],
        moments[position_of(row, 4u * c + 1u) + field],
        moments[position_of(row, 4u * c + 2u) + field],
        moments[position_of(row, 4u * c + 3u) + field],
    );
}
