//! The paper's results, and the runs that are comparable with them.

use anyhow::Result;

use crate::{
    model::{ActivationKind, Architecture, Norm, PoolStride},
    train::TrainConfig,
};

/// The paper's results after its tenth epoch: loss and accuracy in training, then in testing.
pub(super) const PAPER: [&str; 4] = ["0.0602", "98.61 %", "0.0388", "99.36 %"];

/// The heading for the paper's results if the run is comparable: MNIST and the paper's layers, not fine-tuned.
pub(super) fn paper(config: &TrainConfig) -> Result<Option<&'static str>> {
    let mnist = config.data_source()?.kind().word == "mnist";
    let layers = config.model == Architecture::Vgg16Bn
        && config.widths.is_none()
        && matches!(config.norm, None | Some(Norm::Batch))
        && config.activation == ActivationKind::Relu
        && config.pool_stride == PoolStride::Adaptive
        && config.avgpool == 0;
    let whole = config.width == 1.0 && config.hidden.is_none_or(|hidden| hidden == 4096);
    let heading = match (whole, config.image_size) {
        (true, 224) => "paper (epoch 10)",
        (true, _) => "paper (epoch 10, 224 px)",
        (false, _) => "paper (epoch 10, full width, 224 px)",
    };
    Ok((mnist && layers && config.weights.is_none() && config.val_fraction == 0.0).then_some(heading))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_figures_stand_next_to_its_own_layers_on_mnist() {
        let heading = |flags: &str| {
            let config = TrainConfig::default().with(&flags.parse().unwrap()).unwrap();
            paper(&config).unwrap()
        };
        assert_eq!(heading(""), Some("paper (epoch 10)"));
        assert_eq!(heading("data = \"mnist:dir\""), Some("paper (epoch 10)"));
        assert_eq!(heading("image_size = 28"), Some("paper (epoch 10, 224 px)"));
        assert_eq!(heading("width = 0.25"), Some("paper (epoch 10, full width, 224 px)"));
        assert_eq!(heading("hidden = 512"), Some("paper (epoch 10, full width, 224 px)"));
        for other in [
            "data = \"fashion-mnist:dir\"",
            "data = \"idx:dir\"",
            "data = \"cifar10:dir\"",
            "data = \"folder:dir\"",
            "model = \"vgg16\"",
            "model = \"vgg19_bn\"",
            "activation = \"gelu\"",
            "pool_stride = \"fixed\"",
            "avgpool = 7",
            "weights = \"best.safetensors\"",
            "val_fraction = 0.1",
        ] {
            assert_eq!(heading(other), None, "{other}");
        }
    }
}
