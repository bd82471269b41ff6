//! Python that builds a network from `torch.nn`'s layers.

use crate::model::{ActivationKind, LayerKind, Network, Norm};

/// Python that builds the network as `model` and loads `state`, an expression whose value has torchvision's names; `None` if a norm is
/// not one of `torch.nn`'s.
pub fn pytorch(network: &Network, state: &str) -> Option<String> {
    let config = &network.config;
    let norm = match config.norm() {
        Norm::Batch => format!("nn.BatchNorm2d(w, eps={:e}), ", config.batch_norm_eps),
        Norm::Layer => "nn.GroupNorm(1, w), ".to_owned(),
        Norm::Group(groups) => format!("nn.GroupNorm({groups}, w), "),
        Norm::None => String::new(),
        Norm::Layer2d => return None,
    };
    let activation = match config.activation {
        ActivationKind::Relu => "nn.ReLU()".to_owned(),
        ActivationKind::LeakyRelu => format!("nn.LeakyReLU({})", config.negative_slope),
        ActivationKind::Gelu => "nn.GELU()".to_owned(),
        ActivationKind::Silu => "nn.SiLU()".to_owned(),
        ActivationKind::Celu => format!("nn.CELU({})", config.celu_alpha),
    };
    let strides = network.layers.iter().filter_map(|layer| match layer.kind {
        LayerKind::MaxPool { stride: [h, w] } => Some(format!("({h}, {w})")),
        _ => None,
    });
    let blocks = config.blocks().into_iter().zip(strides);
    let features: Vec<String> = blocks.map(|(widths, stride)| format!("({widths:?}, {stride})")).collect();
    let inputs = network.layers.iter().find(|layer| matches!(layer.kind, LayerKind::Linear(_)))?;
    let average = match config.avgpool {
        0 => String::new(),
        side => format!("nn.AdaptiveAvgPool2d({side}), "),
    };
    let (channels, hidden, classes, dropout) =
        (config.channels, config.hidden(), config.classes, config.dropout);
    let inputs = inputs.input.elements();
    let classifier = match hidden {
        0 => format!("nn.Linear({inputs}, {classes})"),
        _ => format!(
            "nn.Linear({inputs}, {hidden}), {activation}, nn.Dropout({dropout}),\n\
             \x20   nn.Linear({hidden}, {hidden}), {activation}, nn.Dropout({dropout}), nn.Linear({hidden}, {classes})"
        ),
    };
    Some(format!(
        "from collections import OrderedDict\n\
         from safetensors.torch import load_file\n\
         from torch import nn\n\
         layers, c = [], {channels}\n\
         for widths, stride in [{}]:\n\
         \x20   for w in widths:\n\
         \x20       layers += [nn.Conv2d(c, w, 3, padding=1), {norm}{activation}]\n\
         \x20       c = w\n\
         \x20   layers.append(nn.MaxPool2d(2, stride))\n\
         classifier = nn.Sequential({classifier})\n\
         model = nn.Sequential(OrderedDict(features=nn.Sequential(*layers),\n\
         \x20   pool=nn.Sequential({average}nn.Flatten()), classifier=classifier))\n\
         model.load_state_dict({state}, strict=True)\n",
        features.join(", ")
    ))
}
