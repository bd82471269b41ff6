// bias.grad, second dispatch: merges the chunks' sums into grad_bias
//
// clip.square_sum adds its shares with it, as one channel.
//
// Buffers      workspace [CHUNKS, C]; grad_bias [C], accumulated into if ACCUMULATE is set
// Who          one workgroup per channel; invocation t adds the chunks t, t + WORKGROUP, ... in order, then a fixed tree
// Numerics     f32; chunks in order within an invocation, invocations in a fixed tree
//
// needs: ACCUMULATE, C, CHUNKS, WORKGROUP, reduce_sum
// gives: run(c: u32, local: u32)

var<storage, read> workspace: array<f32>;
var<storage, read_write> grad_bias: array<f32>;

fn run(c: u32, local: u32) {
    var sum = 0.0;
    for (var chunk = local; chunk < CHUNKS; chunk += WORKGROUP) {
        sum += workspace[chunk * C + c];
    }
    sum = reduce_sum(local, sum);
    if local == 0u {
        if ACCUMULATE {
            sum += grad_bias[c];
        }
        grad_bias[c] = sum;
    }
}
