// group_norm.affine, first dispatch: mean and M2 (the sum of squared deviations) of each channel in each chunk of an image
//
// Buffers      input [IMAGES, PIXELS, C] and workspace [IMAGES, CHUNKS, 2, C], as `elem` along C
// Who          one invocation per elem of channels and one chunk of CHUNK pixels; lanes run along the channels
// Numerics     blocks of BLOCK pixels are reduced in registers about their own mean and merged into the chunk by Chan's formula
//
// needs: C, CHUNK, CHUNKS, PIXELS, elem, stored
// gives: each(i: u32)

var<storage, read> input: array<stored>;
var<storage, read_write> workspace: array<elem>;

const BLOCK: u32 = 8u;

fn each(i: u32) {
    let c = i % C;
    let chunk = i / C;
    let image = chunk / CHUNKS * PIXELS;
    let first = image + chunk % CHUNKS * CHUNK;
    let end = min(first + CHUNK, image + PIXELS);
    var count = 0.0;
    var mean = elem(0.0);
    var m2 = elem(0.0);
    for (var pixel = first; pixel < end; pixel += BLOCK) {
        let pixels = min(BLOCK, end - pixel);
        var values: array<elem, BLOCK>;
        var sum = elem(0.0);
        for (var p = 0u; p < pixels; p++) {
            values[p] = elem(input[(pixel + p) * C + c]);
            sum += values[p];
        }
        let block_mean = sum / f32(pixels);
        var block_m2 = elem(0.0);
        for (var p = 0u; p < pixels; p++) {
            let deviation = values[p] - block_mean;
            block_m2 += deviation * deviation;
        }
        let total = count + f32(pixels);
        let delta = block_mean - mean;
        mean += delta * (f32(pixels) / total);
        m2 += block_m2 + delta * delta * (count * f32(pixels) / total);
        count = total;
    }
    workspace[(chunk * 2u) * C + c] = mean;
    workspace[(chunk * 2u + 1u) * C + c] = m2;
}
