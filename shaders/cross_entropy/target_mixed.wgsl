// The target of an image is shared between its own label and that of the image before it: the last number of a row of mixes, as
// mix/images.wgsl has them.
//
// needs: MIX
// gives: mixes
// gives: own_share(n: u32) -> f32

var<storage, read> mixes: array<f32>;

fn own_share(n: u32) -> f32 {
    return mixes[n * MIX + MIX - 1u];
}
