//! Shapes that several operations are checked on.

/// Rows and channels.
pub(crate) const COLUMNS: [[usize; 2]; 13] = [
    [1, 1],
    [1, 8],
    [7, 3],
    [33, 5],
    [64, 12],
    [255, 7],
    [257, 64],
    [1571, 16],
    [35_000, 4],
    [40, 255],
    [9, 512],
    [5, 257],
    [83, 10],
];

/// Elements.
pub(crate) const LENGTHS: [usize; 7] = [1, 3, 4, 255, 256, 257, 4099];

/// Elements that need more than 65,535 workgroups.
pub(crate) const LONG: usize = 65_536 * 64 + 4;
