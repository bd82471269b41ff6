//! The choice of kernels for a command: `--variant` and `--tuning`.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{Usage, args};
use crate::{
    cache,
    gpu::{Adapter, Options},
    kernels,
    tune::{self, Loaded, Source},
};

/// The kernel flags, resolved for a device.
#[derive(Default)]
pub(super) struct Kernels {
    pub(super) options: Options,
    /// Notes for the user.
    pub(super) notes: Vec<String>,
}

/// Reads the flags; `None` is the CPU device, which has no kernels to choose from.
pub(super) fn choose(flags: &args::KernelFlags, adapter: Option<&Adapter>) -> Result<Kernels> {
    let submit_budget = Duration::from_secs_f64(flags.submit_budget_ms / 1e3);
    let Some(adapter) = adapter else {
        if let Some(flag) = flags.variant.first() {
            bail!(Usage(format!(
                "--variant {flag} chooses a GPU kernel, but this runs on the CPU device, which has none. \
                 Leave it out, or give another --device; `vgg devices` lists them"
            )));
        }
        return Ok(Kernels { options: Options::default(), notes: Vec::new() });
    };
    let variants = pairs(&flags.variant)?;
    let Loaded { tuned, used, mut notes } = load(&flags.tuning, adapter)?;
    let shapes = tuned.len();
    notes.extend(used.map(|path| format!("{shapes} measured shapes from {}", path.display())));
    let notes = notes.into_iter().map(|note| format!("tuning    {note}")).collect();
    let pipelines = cache::folder().map(|folder| folder.join("pipelines"));
    Ok(Kernels {
        options: Options { variants, tuned, submit_budget, pipelines, ..Options::default() },
        notes,
    })
}

/// `OP=NAME` as checked pairs.
pub(super) fn pairs(variants: &[String]) -> Result<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    for flag in variants {
        let Some((op, name)) = flag.split_once('=') else {
            bail!(Usage(format!(
                "--variant {flag}: give an operation and a variant, as conv.forward=tiled_64x64"
            )));
        };
        pairs.push((op.trim().to_owned(), name.trim().to_owned()));
    }
    kernels::exist(&pairs).map_err(|error| Usage(format!("--variant: {error}")))?;
    Ok(pairs)
}

fn load(tuning: &Source, adapter: &Adapter) -> Result<Loaded> {
    tune::load(tuning, adapter.info()).with_context(|| match tuning {
        Source::File(path) => {
            let path = path.display();
            format!("--tuning {path} cannot be read; `vgg tune --tuning {path}` creates it")
        }
        Source::Automatic | Source::Off => "tuning".to_owned(),
    })
}
