// batch_norm.grad_statistics, second dispatch: merges the chunks' sums into grad_beta and grad_gamma
//
// Buffers      workspace [CHUNKS, 2, C]; grad_gamma, grad_beta [C], accumulated into if ACCUMULATE is set
// Who          one workgroup per channel; invocation t adds the chunks t, t + WORKGROUP, ... in order, then a fixed tree
// Numerics     f32; chunks in order within an invocation, invocations in a fixed tree
//
// needs: ACCUMULATE, C, CHUNKS, WORKGROUP, reduce_sum
// gives: run(c: u32, local: u32)

var<storage, read> workspace: array<f32>;
var<storage, read_write> grad_gamma: array<f32>;
var<storage, read_write> grad_beta: array<f32>;

fn run(c: u32, local: u32) {
    var plain = 0.0;
    var weighted = 0.0;
    for (var chunk = local; chunk < CHUNKS; chunk += WORKGROUP) {
        plain += workspace[chunk * 2u * C + c];
        weighted += workspace[(chunk * 2u + 1u) * C + c];
    }
    plain = reduce_sum(local, plain);
    weighted = reduce_sum(local, weighted);
    if local == 0u {
        if ACCUMULATE {
            plain += grad_beta[c];
            weighted += grad_gamma[c];
        }
        grad_beta[c] = plain;
        grad_gamma[c] = weighted;
    }
}
