//! The VGG networks: layers, parameters, initialisation and names on disk.

mod builder;
mod network;
mod norm;
mod parameters;
mod quantized;
mod vgg;
mod widths;

pub use network::{GroupNormLayer, Layer, LayerKind, Network, NetworkError, NormParameters, WeightBias};
pub use norm::Norm;
pub use parameters::{Init, Layout, Parameter, Training};
pub use quantized::{DeviceLayer, Geometry, Quantization, QuantizedLayer, QuantizedNetwork};
pub use vgg::{ActivationKind, Architecture, Freeze, PoolStride, Semantics, VggConfig};
pub use widths::Widths;
