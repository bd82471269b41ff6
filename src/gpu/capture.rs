//! Handing a run to a graphics debugger: RenderDoc on Vulkan and DX12, Xcode on Metal.
//!
//! wgpu-hal talks to RenderDoc only where it was built with debug assertions, which `Cargo.toml` turns on for it.

use super::{adapter::Backend, device::Device};

/// Whether a debugger that can capture work of this API is attached to the process. Metal does not tell; there it is
/// taken for granted.
pub fn debugger_attached(backend: Backend) -> bool {
    match backend {
        Backend::Metal => true,
        Backend::Vulkan | Backend::Dx12 => renderdoc_is_loaded(),
    }
}

/// RenderDoc puts its library into a process that it starts.
#[cfg(windows)]
fn renderdoc_is_loaded() -> bool {
    libloading::os::windows::Library::open_already_loaded("renderdoc.dll").is_ok()
}

/// RenderDoc puts its library into a process that it starts.
#[cfg(all(unix, not(target_vendor = "apple")))]
fn renderdoc_is_loaded() -> bool {
    use libloading::os::unix::{Library, RTLD_NOW};
    /// Take the library only where it is loaded already; the value of Linux and the BSDs differs from Apple's.
    const RTLD_NOLOAD: std::ffi::c_int = 4;
    // SAFETY: nothing is loaded, so no initialiser of a library runs.
    unsafe { Library::open(Some("librenderdoc.so"), RTLD_NOW | RTLD_NOLOAD) }.is_ok()
}

/// There is no RenderDoc for this system.
#[cfg(target_vendor = "apple")]
fn renderdoc_is_loaded() -> bool {
    false
}

/// Lets the debugger record what is submitted from now on.
pub(super) fn start(device: &Device) {
    // SAFETY: the debugger's own interface, in a process that was started for it.
    unsafe { device.raw.start_graphics_debugger_capture() };
}

/// Ends the recording. Everything that was submitted must be done.
pub(super) fn stop(device: &Device) {
    // SAFETY: as `start`, which came before.
    unsafe { device.raw.stop_graphics_debugger_capture() };
}
