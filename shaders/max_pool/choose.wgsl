// The window [p, q] of an image: its maximum, the input value there, and h W + w of the first maximum in row-major order. A NaN
// is larger than everything except a later NaN, as in PyTorch.
//
// needs: C, H, KERNEL, STRIDE_H, STRIDE_W, W, bools, elem, index, input, input_through, input_vectors
// gives: Choice
// gives: is_nan(x: elem) -> bools
// gives: choose(n: u32, p: u32, q: u32, c: u32) -> Choice

struct Choice {
    best: elem,
    read: elem,
    at: index,
}

// Tests the bits: compilers may assume that x != x is false.
fn is_nan(x: elem) -> bools {
    return (bitcast<index>(x) & index(0x7fffffffu)) > index(0x7f800000u);
}

fn choose(n: u32, p: u32, q: u32, c: u32) -> Choice {
    let vectors = input_vectors(c);
    let top = p * STRIDE_H;
    let left = q * STRIDE_W;
    let first = ((n * H + top) * W + left) * C + c;
    var best_read = elem(input[first]);
    var best = input_through(first, best_read, vectors);
    var best_at = index(top * W + left);
    for (var r = 0u; r < KERNEL; r++) {
        for (var s = 0u; s < KERNEL; s++) {
            let at = (top + r) * W + left + s;
            let i = (n * H * W + at) * C + c;
            let read = elem(input[i]);
            let x = input_through(i, read, vectors);
            let wins = (!is_nan(best) & (x > best)) | is_nan(x);
            best = select(best, x, wins);
            best_read = select(best_read, read, wins);
            best_at = select(best_at, index(at), wins);
        }
    }
    return Choice(best, best_read, best_at);
}
