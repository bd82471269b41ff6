// The sets of values of a group norm: a group of the channels of one image at all its pixels.
//
// Buffers      C, GROUP in elems of a pixel and of a group; PIXELS of an image
//
// needs: C, GROUP, GROUPS, PIXELS
// gives: SIZE
// gives: channel(group: u32, i: u32) -> u32
// gives: position(group: u32, i: u32) -> u32

// The elems of a set.
const SIZE: u32 = PIXELS * GROUP;

// The channel of a set's elem.
fn channel(group: u32, i: u32) -> u32 {
    return group % GROUPS * GROUP + i % GROUP;
}

// Its position in `[IMAGES, PIXELS, C]`.
fn position(group: u32, i: u32) -> u32 {
    return (group / GROUPS * PIXELS + i / GROUP) * C + channel(group, i);
}
