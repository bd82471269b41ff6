// Winograd, filters of the forward pass: rows are input channels, columns output channels.
//
// Buffers      weight [3, 3, IN, OUT] as `stored`, OUT per row
//
// needs: COLUMNS, IN, OUT, elem, stored
// gives: weight
// gives: place(index: u32) -> vec2<u32>
// gives: tap(t: u32, row: u32, column: u32) -> elem

var<storage, read> weight: array<stored>;

fn place(index: u32) -> vec2<u32> {
    return vec2(index / COLUMNS, index % COLUMNS);
}

fn tap(t: u32, row: u32, column: u32) -> elem {
    if row >= IN || column >= OUT {
        return elem(0.0);
    }
    return elem(weight[(t * IN + row) * OUT + column]);
}
