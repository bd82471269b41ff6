// clip.square_sum, first dispatch: the sum of the squares of a share of gradient
//
// Buffers      gradient [len]; workspace [CHUNKS]
// Who          one workgroup per share: every CHUNKS-th run of WORKGROUP values. Each invocation adds its values in order,
//              then a fixed tree; bias.grad's second dispatch adds the shares
// Numerics     f32; squares above 3e38 are infinite, and then all gradients are clipped to 0
// Where        memory-bound: 4 bytes per element
//
// needs: CHUNKS, WORKGROUP, reduce_sum
// gives: run(chunk: u32, local: u32)

var<storage, read> gradient: array<f32>;
var<storage, read_write> workspace: array<f32>;

fn run(chunk: u32, local: u32) {
    var sum = 0.0;
    for (var i = chunk * WORKGROUP + local; i < arrayLength(&gradient); i += CHUNKS * WORKGROUP) {
        sum += gradient[i] * gradient[i];
    }
    sum = reduce_sum(local, sum);
    if local == 0u {
        workspace[chunk] = sum;
    }
}
