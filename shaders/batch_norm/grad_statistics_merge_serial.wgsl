// batch_norm.grad_statistics, second dispatch, serial: merges the chunks' sums into grad_beta and grad_gamma
//
// Buffers      workspace [CHUNKS, 2, C]; grad_gamma, grad_beta [C], accumulated into if ACCUMULATE is set; as `elem`
// Who          one invocation per elem of channels, which adds the chunks in order; the grid covers C
// Numerics     f32; the chunks are added in order
// Where        few chunks, and software adapters, where barriers cost more than a longer loop
//
// needs: ACCUMULATE, C, CHUNKS, elem
// gives: each(c: u32)

var<storage, read> workspace: array<elem>;
var<storage, read_write> grad_gamma: array<elem>;
var<storage, read_write> grad_beta: array<elem>;

fn each(c: u32) {
    var plain = workspace[c];
    var weighted = workspace[C + c];
    for (var chunk = 1u; chunk < CHUNKS; chunk++) {
        plain += workspace[chunk * 2u * C + c];
        weighted += workspace[(chunk * 2u + 1u) * C + c];
    }
    if ACCUMULATE {
        plain += grad_beta[c];
        weighted += grad_gamma[c];
    }
    grad_beta[c] = plain;
    grad_gamma[c] = weighted;
}
