//! How transformed tiles lie in memory.

/// Channels of a transformed tile: the next multiple of the widest register.
pub(super) fn padded(channels: usize) -> usize {
    channels.next_multiple_of(16)
}

/// The layout of transformed values: point `p` of item `i` begins at `p * point + i * item`.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub point: usize,
    pub item: usize,
}

impl Layout {
    /// `[points, tiles, channels]` with a cache line between the points: otherwise, if a point takes a power of two of bytes, a
    /// tile's points would map to the same few cache sets.
    pub fn apart(tiles: usize, channels: usize) -> Self {
        Self { point: tiles * channels + 16, item: channels }
    }
}
