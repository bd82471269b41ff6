//! A program's requirements of an adapter, before any device exists.

use super::{
    adapter::{Adapter, AdapterLimits},
    blueprint::Blueprint,
    error::OpenError,
    options::Options,
};
use crate::{
    kernels::{Caps, Workspace},
    program::Program,
};

/// The requirements of a program with the kernels that the options choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirements {
    /// The lowest limits that it runs with.
    pub limits: AdapterLimits,
    /// Bytes of the scratch buffers that the kernels share.
    pub workspace_bytes: u64,
}

impl Requirements {
    /// Computes a program's requirements.
    ///
    /// # Errors
    /// [`OpenError`] where something is larger than the adapter allows.
    pub fn of(program: &Program, adapter: &Adapter, options: &Options) -> Result<Self, OpenError> {
        let blueprint = Blueprint::new(program, adapter, false, &|op, caps| options.choose(op, caps))?;
        Ok(Self {
            limits: blueprint.limits,
            workspace_bytes: blueprint.workspaces.iter().map(|w| w.bytes).sum(),
        })
    }
}

/// The scratch buffers of the kernels chosen for a program on a device with these capabilities. Needs no adapter.
///
/// # Errors
/// [`OpenError::Select`] for a step without a kernel.
pub fn workspaces(program: &Program, caps: &Caps, options: &Options) -> Result<Vec<Workspace>, OpenError> {
    let mut all = Vec::new();
    for step in &program.steps {
        let row = options
            .choose(&step.op, caps)
            .map_err(|message| OpenError::Select { step: step.label.clone(), message })?;
        row.build(&step.op, caps).workspaces.into_iter().for_each(|workspace| workspace.join(&mut all));
    }
    Ok(all)
}
