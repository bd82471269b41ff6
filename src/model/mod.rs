//! The VGG networks: layers, parameters, initialisation and names on disk.

mod network;
mod parameters;
mod vgg;

pub use network::{Layer, LayerKind, Network, NetworkError, NormParameters, WeightBias};
pub use parameters::{Init, Layout, Parameter, Training};
pub use vgg::{ActivationKind, Architecture, Freeze, PoolStride, Semantics, VggConfig};
