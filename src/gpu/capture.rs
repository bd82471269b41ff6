//! Captures a run in a graphics debugger: RenderDoc on Vulkan and DX12, Xcode on Metal.
//!
//! wgpu-hal talks to RenderDoc only if it was built with debug assertions, which `Cargo.toml` turns on for it.

/// RenderDoc puts its library into a process that it starts.
#[cfg(windows)]
pub(super) fn renderdoc_is_loaded() -> bool {
    libloading::os::windows::Library::open_already_loaded("renderdoc.dll").is_ok()
}

/// RenderDoc puts its library into a process that it starts.
#[cfg(all(unix, not(target_vendor = "apple")))]
pub(super) fn renderdoc_is_loaded() -> bool {
    use libloading::os::unix::{Library, RTLD_NOW};
    /// Opens the library only if it is already loaded. The value on Linux and the BSDs; Apple's differs.
    const RTLD_NOLOAD: std::ffi::c_int = 4;
    // SAFETY: nothing is loaded, so no library initialiser runs.
    unsafe { Library::open(Some("librenderdoc.so"), RTLD_NOW | RTLD_NOLOAD) }.is_ok()
}

/// RenderDoc does not exist for this system.
#[cfg(target_vendor = "apple")]
pub(super) fn renderdoc_is_loaded() -> bool {
    false
}

/// Starts a capture in the debugger.
pub(super) fn start(device: &wgpu::Device) {
    // SAFETY: the debugger's own interface, in a process that was started for it.
    unsafe { device.start_graphics_debugger_capture() };
}

/// Ends the capture. All submitted work must have finished.
pub(super) fn stop(device: &wgpu::Device) {
    // SAFETY: as in `start`, which was called first.
    unsafe { device.stop_graphics_debugger_capture() };
}
