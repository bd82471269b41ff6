//! Runs programs on a GPU. The only room that imports wgpu.
//!
//! Opening order: adapter ([`select`]) -> [`Adapter::caps`] and [`Adapter::limits`] -> program ->
//! [`GpuExecutor::open`], which chooses the kernels, checks that everything fits the adapter and only then opens a
//! device, with just the limits that are needed.

mod adapter;
mod blueprint;
mod buffers;
mod capture;
mod compile;
mod device;
mod dispatches;
mod error;
mod executor;
mod options;
mod pace;
mod pipelines;
mod readback;
mod requirements;
mod robust;
mod roofline;
mod select;
mod staging;
mod timing;
mod upload;

#[cfg(test)]
pub(crate) use adapter::test_adapter;
pub use adapter::{
    Adapter, AdapterFeatures, AdapterLimits, Backend, DeviceInfo, DeviceKind, adapters, debugger_attached,
    devices,
};
pub use blueprint::Choose;
pub use compile::Compilation;
pub use error::OpenError;
pub use executor::GpuExecutor;
pub use options::Options;
pub use requirements::{Requirements, workspaces};
pub use roofline::roofline;
pub use select::{DeviceChoice, DeviceRequest, SelectError, Selection, select};
