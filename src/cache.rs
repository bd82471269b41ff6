//! The user's cache folder, for reproducible results, and configuration file.

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

/// `vgg-wgpu/config.toml` in the user's configuration folder (`XDG_CONFIG_HOME` first). `None` if the system has none.
pub fn config_file() -> Option<PathBuf> {
    let variable = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = variable("XDG_CONFIG_HOME").or_else(|| match env::consts::OS {
        "windows" => variable("APPDATA"),
        _ => variable("HOME").map(|home| home.join(".config")),
    })?;
    Some(folder.join("vgg-wgpu").join("config.toml"))
}
