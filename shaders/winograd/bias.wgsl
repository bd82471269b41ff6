// Winograd, output transform: adds the bias.
//
// Buffers      bias [C] as `elem`
//
// needs: elem
// gives: biases
// gives: bias(c: u32) -> elem

var<storage, read> biases: array<elem>;

fn bias(c: u32) -> elem {
    return biases[c];
}
