//! Kernels, shaders and the GPU executor against the reference.
//!
//! Most of it needs an adapter; a software one will do (`scripts/test` installs one). `VGG_SKIP_GPU=1` skips, visibly.

#[path = "../support/mod.rs"]
mod support;

/// The adapter; without one, the test ends here.
macro_rules! adapter {
    () => {
        match crate::support::adapter::adapter() {
            Some(adapter) => adapter,
            None => return,
        }
    };
}

mod choosing;
mod full_size;
mod gpu;
mod layout;
mod mixed;
mod opening;
mod parity;
mod quantized;
mod shaders;
mod timing;
mod training_parity;
