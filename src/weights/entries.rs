//! The tensors of a network in a file: their names, shapes and order.

use super::store::{Entry, TensorFile};
use crate::model::Network;

/// The name prefix of a parameter's average.
pub(super) const AVERAGE: &str = "ema.";

/// The entries of all parameters, in the network's order.
pub(super) fn values(network: &Network) -> Vec<Entry> {
    network.parameters.iter().map(|p| Entry::f32(p.name.clone(), p.shape.dims())).collect()
}

/// The entries of the averages of all parameters.
pub(super) fn averages(network: &Network) -> impl Iterator<Item = Entry> {
    values(network).into_iter().map(|entry| Entry { name: format!("{AVERAGE}{}", entry.name), ..entry })
}

/// The entries of batch normalisation's `num_batches_tracked`, which PyTorch counts and nothing here reads.
pub(super) fn counters(network: &Network) -> Vec<Entry> {
    let layers = network.parameters.iter().filter_map(|p| p.name.strip_suffix(".running_mean"));
    layers.map(|layer| Entry::i64(format!("{layer}.num_batches_tracked"))).collect()
}

/// timm's names of the classifier's layers (it stores two of them as convolutions) and torchvision's.
const TIMM: [(&str, &str); 3] =
    [("pre_logits.fc1", "classifier.0"), ("pre_logits.fc2", "classifier.3"), ("head.fc", "classifier.6")];

/// As [`values`], under timm's names and in timm's shapes: FC1 slides over maps of 7x7 pixels, FC2 over single ones.
pub(super) fn timm_values(network: &Network) -> Vec<Entry> {
    let mut entries = values(network);
    for entry in &mut entries {
        for (timm, torchvision) in TIMM {
            let Some(field) = entry.name.strip_prefix(torchvision) else { continue };
            let side = match (torchvision, entry.shape.as_slice()) {
                ("classifier.0", [_, _]) => 7,
                ("classifier.3", [_, _]) => 1,
                _ => 0,
            };
            if side > 0 {
                entry.shape = vec![entry.shape[0], entry.shape[1] / (side * side), side, side];
            }
            entry.name = format!("{timm}{field}");
            break;
        }
    }
    entries
}

/// Renames timm's tensors to torchvision's names.
pub(super) fn use_torchvisions_names(file: &mut TensorFile) {
    for (timm, torchvision) in TIMM {
        file.rename_flat(&format!("{timm}.weight"), &format!("{torchvision}.weight"));
        file.rename_flat(&format!("{timm}.bias"), &format!("{torchvision}.bias"));
    }
}
