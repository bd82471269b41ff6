//! Quantised networks compute the same bits on a GPU as on the CPU device, in every layer.

use vgg_wgpu::{
    device::Device,
    gpu::{DeviceChoice, Options, Selection},
};

use crate::support::quantized::{batch, builtin, options, outputs};

#[test]
fn every_layer_has_the_same_bits_as_on_the_cpu() {
    let adapter = adapter!();
    let batch = batch(3);
    for signed in [false, true] {
        let weights = builtin(vgg_wgpu::quantize::Options { signed, ..options() });
        let expected = outputs(&Device::find("cpu").unwrap(), &weights, &batch);
        assert!(
            expected.values().all(|(_, bytes)| bytes.iter().any(|&byte| byte != bytes[0])),
            "a constant layer"
        );
        for row in ["direct", "tiled_64x64"] {
            let selection =
                Selection { device: DeviceChoice::Gpu(adapter.clone()), reason: "a test".to_owned() };
            let forced = ["quantized.conv", "quantized.linear"].map(|op| (op.to_owned(), row.to_owned()));
            let options = Options { variants: forced.to_vec(), ..Options::default() };
            let found = outputs(&Device::from(selection).with_options(options), &weights, &batch);
            assert!(found.keys().eq(expected.keys()));
            for (layer, (dims, bytes)) in &expected {
                assert_eq!((&found[layer].0, found[layer].1.len()), (dims, bytes.len()), "{layer}");
                let different = bytes.iter().zip(&found[layer].1).filter(|(a, b)| a != b).count();
                assert_eq!(different, 0, "{layer}, {row}, signed: {signed}: of {} bytes", bytes.len());
            }
        }
    }
}
