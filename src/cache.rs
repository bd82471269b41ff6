//! The user's cache folder, for reproducible results.

use std::{env, path::PathBuf};

/// `vgg-wgpu` in the user's cache folder (`XDG_CACHE_HOME` first). `None` if the system has none.
pub fn folder() -> Option<PathBuf> {
    let variable = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = |folder| variable("HOME").map(|home| home.join(folder));
    let cache = variable("XDG_CACHE_HOME").or_else(|| match env::consts::OS {
        "macos" => home("Library/Caches"),
        "windows" => variable("LOCALAPPDATA"),
        _ => home(".cache"),
    })?;
    Some(cache.join("vgg-wgpu"))
}
