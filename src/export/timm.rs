//! The networks that timm has.

use crate::model::{ActivationKind, Layer, LayerKind, Network, Norm, VggConfig};

/// What no network of timm's has, or nothing if timm has this one: full widths, ReLU, batch norm or none, and 7x7 pixels before the
/// classifier.
pub fn timm_lacks(network: &Network) -> Option<String> {
    let config = &network.config;
    let timm = VggConfig::torchvision(config.model);
    let pools = |layer: &Layer| matches!(layer.kind, LayerKind::MaxPool { stride } if stride != [2, 2]);
    let (last, side) = map_before_classifier(network);
    let lacks = match config.norm() {
        _ if config.blocks() != timm.blocks() => "these widths".to_owned(),
        Norm::Batch if config.batch_norm_eps != timm.batch_norm_eps => {
            format!("batch norm of eps {:e}", config.batch_norm_eps)
        }
        norm @ (Norm::Layer | Norm::Group(_) | Norm::Layer2d) => norm.title(),
        _ if config.activation != ActivationKind::Relu => config.activation.word().to_owned(),
        _ if config.qat => "roundings to 8 bits".to_owned(),
        _ if config.hidden() != timm.hidden() => format!("{} hidden features", config.hidden()),
        _ if network.layers.iter().any(pools) => "pooling of stride 1".to_owned(),
        // timm enlarges smaller maps to 7x7 by the same average pooling, but slides its classifier over larger ones.
        _ if side != [7, 7] || last.iter().any(|&side| side > 7) => {
            format!("{}x{} pixels before its classifier", last[0], last[1])
        }
        _ => return None,
    };
    Some(lacks)
}

/// Height and width of the last pooling layer's output, and of the classifier's input.
fn map_before_classifier(network: &Network) -> ([usize; 2], [usize; 2]) {
    let sides = |layer: &Layer| match *layer.output.dims() {
        [.., h, w, _] => [h, w],
        _ => [1, 1],
    };
    let last = |wanted: fn(&LayerKind) -> bool| network.layers.iter().rfind(|layer| wanted(&layer.kind));
    let pooled = last(|kind| matches!(kind, LayerKind::MaxPool { .. })).map_or([1, 1], sides);
    (pooled, last(|kind| matches!(kind, LayerKind::AvgPool)).map_or(pooled, sides))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Architecture, PoolStride};

    fn network(config: VggConfig) -> Network {
        config.network().unwrap()
    }

    #[test]
    fn timm_has_torchvisions_networks_and_no_others() {
        let of = VggConfig::torchvision;
        for model in Architecture::all() {
            assert_eq!(timm_lacks(&network(of(model))), None);
        }
        let vgg = || of(Architecture::Vgg11Bn);
        // The paper's network, whose map has 7x7 pixels without average pooling, and small images with it.
        let fits =
            [VggConfig::default(), VggConfig { image_size: [32, 64], channels: 1, classes: 4, ..vgg() }];
        for config in fits {
            assert_eq!(timm_lacks(&network(config)), None);
        }
        let paper = VggConfig { image_size: [28, 28], ..VggConfig::default() };
        for (config, lacks) in [
            (VggConfig { width: 0.25, ..vgg() }, "widths"),
            (VggConfig { widths: Some("64,M,128,M,256,M,512,M,256,M".parse().unwrap()), ..vgg() }, "widths"),
            (VggConfig { norm: Some(Norm::Layer), ..vgg() }, "layer norm"),
            (VggConfig { batch_norm_eps: 1e-3, ..vgg() }, "eps 1e-3"),
            (VggConfig { activation: ActivationKind::Gelu, ..vgg() }, "gelu"),
            (VggConfig { hidden: Some(512), ..vgg() }, "512 hidden"),
            (VggConfig { image_size: [288, 224], ..vgg() }, "9x7 pixels"),
            (VggConfig { image_size: [64, 64], avgpool: 0, ..vgg() }, "2x2 pixels"),
            (VggConfig { image_size: [32, 32], pool_stride: PoolStride::Adaptive, ..vgg() }, "of stride 1"),
            (VggConfig { qat: true, ..of(Architecture::Vgg11) }, "8 bits"),
            (paper, "of stride 1"),
        ] {
            let found = timm_lacks(&network(config)).unwrap_or_default();
            assert!(found.contains(lacks), "{found:?}, not {lacks:?}");
        }
    }
}
