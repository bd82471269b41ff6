//! `--capture STEP`: one training step for a graphics debugger.

use anyhow::{Result, bail};

use super::Usage;
use crate::{
    device::Device,
    gpu::{Options, debugger_attached},
};

/// The device, set up to capture optimiser step `step` of a run that has done `done` steps and ends with `last`. Refuses
/// impossible captures before anything is trained.
pub(super) fn prepare(device: &Device, step: u64, done: u64, last: u64) -> Result<Device> {
    let Some(adapter) = device.adapter() else {
        bail!(Usage(format!(
            "--capture {step} needs a GPU, but this run is on the CPU. Give --device vulkan, metal or dx12; a \
             software adapter will do"
        )));
    };
    if step <= done || step > last {
        bail!(Usage(format!(
            "--capture {step}: this run has the steps {} to {last}. Give one of them",
            done + 1
        )));
    }
    let backend = adapter.info().backend;
    if !debugger_attached(backend) {
        bail!(
            "--capture {step}: no graphics debugger for {backend} is attached to this process. \
             Start vgg from RenderDoc (renderdoccmd capture -w vgg train --capture {step} ...); \
             docs/profiling.md shows how"
        );
    }
    let options = Options { capture: Some(step - done), ..device.options().clone() };
    Ok(device.clone().with_options(options))
}
