// bias.grad, second dispatch, serial: merges the chunks' sums into grad_bias
//
// clip.square_sum adds its shares with it, as one channel.
//
// Buffers      workspace [CHUNKS, C]; grad_bias [C], accumulated into if ACCUMULATE is set; as `elem`
// Who          one invocation per elem of channels, which adds the chunks in order; the grid covers C
// Numerics     f32; the chunks are added in order
// Where        few chunks, and software adapters, where barriers cost more than a longer loop
//
// needs: ACCUMULATE, C, CHUNKS, elem
// gives: each(c: u32)

var<storage, read> workspace: array<elem>;
var<storage, read_write> grad_bias: array<elem>;

fn each(c: u32) {
    var sum = workspace[c];
    for (var chunk = 1u; chunk < CHUNKS; chunk++) {
        sum += workspace[chunk * C + c];
    }
    if ACCUMULATE {
        sum += grad_bias[c];
    }
    grad_bias[c] = sum;
}
