//! Compiled pipelines in a file, so that the next process need not compile them again, for Vulkan drivers that keep none themselves.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{adapter::Adapter, device::Device};
use crate::files;

/// A larger file is begun anew: every shape has pipelines of its own, so that it would grow without end.
const LARGEST: usize = 128 << 20;

/// A driver's cache of pipelines, and the file that it came from.
#[derive(Debug)]
pub(super) struct PipelineFile {
    pub cache: wgpu::PipelineCache,
    path: PathBuf,
    /// The bytes that were read.
    read: usize,
}

impl PipelineFile {
    /// The cache of an adapter's pipelines from its file in a folder; empty if there is none, or one of another driver. `None` if the
    /// API has no such caches.
    pub fn open(device: &Device, adapter: &Adapter, folder: &Path) -> Option<Self> {
        if !adapter.raw.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return None;
        }
        let path = folder.join(wgpu::util::pipeline_cache_key(&adapter.raw.get_info())?);
        let data = fs::read(&path).ok().filter(|data| data.len() <= LARGEST);
        let descriptor = wgpu::PipelineCacheDescriptor {
            label: Some("pipelines"),
            data: data.as_deref(),
            // The file of another driver, or a damaged one, is ignored.
            fallback: true,
        };
        // SAFETY: the data come from `store`, in the user's own folder; wgpu checks whose they are and how long they should be.
        let cache = device.attempt(|| unsafe { device.raw.create_pipeline_cache(&descriptor) }).ok()?;
        Some(Self { cache, path, read: data.map_or(0, |data| data.len()) })
    }

    /// Writes the file if there are other pipelines than were read. A file that cannot be written costs no more than the time to compile.
    pub fn store(&self) {
        let Some(data) = self.cache.get_data().filter(|data| data.len() != self.read) else { return };
        let folder = self.path.parent().map_or(Ok(()), fs::create_dir_all);
        let _ = folder.map(|()| files::write_bytes(&self.path, &data));
    }
}
