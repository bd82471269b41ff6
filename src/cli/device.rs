//! Chooses a device from the command line.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use super::{Usage, args, kernels, output::note, table::bytes};
use crate::{
    device::{Device, DeviceError, Planned},
    gpu::{Adapter, Backend},
    train::Session,
};

/// How to install a software adapter.
pub(super) const CPU_HINT: &str = "The CPU device needs none. For a software adapter, as the tests use it: \
    apt-get install mesa-vulkan-drivers (Debian, Ubuntu), vulkan-swrast (Arch), mesa-vulkan-drivers (Fedora).";

/// The device for `--device`, with its choice of kernels; and a line that describes it, with a line for each tuning file.
pub(super) fn choose(request: &str, flags: &args::KernelFlags) -> Result<(Device, String)> {
    let device = Device::find(request)?;
    let device = checked(device, flags.robust_buffers)?;
    let kernels = kernels::choose(flags, device.adapter())?;
    let lines: Vec<String> = std::iter::once(line(&device)).chain(kernels.notes).collect();
    Ok((device.with_options(kernels.options), lines.join("\n")))
}

/// The device; with `--robust-buffers` its driver checks every buffer access.
fn checked(device: Device, robust_buffers: bool) -> Result<Device> {
    let concerns = match device.adapter().map(|adapter| adapter.info().backend) {
        _ if !robust_buffers => return Ok(device),
        Some(Backend::Vulkan) => return Ok(device.with_robust_buffers()),
        Some(backend) => format!("Vulkan's drivers, but this device is one of {backend}"),
        None => "a GPU's driver, but this runs on the CPU device, which has none".to_owned(),
    };
    bail!(Usage(format!(
        "--robust-buffers concerns {concerns}. Leave it out, or give another --device; `vgg devices` lists them"
    )))
}

/// As [`choose`], and prints the lines.
pub(super) fn choose_and_say(request: &str, flags: &args::KernelFlags, quiet: bool) -> Result<Device> {
    let (device, description) = choose(request, flags)?;
    note(quiet, &description);
    Ok(device)
}

/// As [`choose_and_say`] for commands about kernels: never the CPU device, and `auto` is the first adapter.
pub(super) fn choose_gpu(request: &str, robust_buffers: bool, quiet: bool) -> Result<(Device, Adapter)> {
    let device = match request.trim() {
        "auto" | "" => Device::first_adapter(),
        request => Device::find(request),
    };
    let device = match device {
        Err(DeviceError::NoAdapter) => bail!("no Vulkan, Metal or DX12 adapter was found. {CPU_HINT}"),
        device => device?,
    };
    let device = checked(device, robust_buffers)?;
    let Some(adapter) = device.adapter().cloned() else {
        let text = "--device cpu: the CPU device has no kernels; it is the reference for checking them";
        bail!(Usage(text.to_owned()))
    };
    note(quiet, &line(&device));
    Ok((device, adapter))
}

/// The device and why it was chosen, in one line.
fn line(device: &Device) -> String {
    let memory = device.adapter().and_then(|adapter| adapter.info().memory_bytes);
    let memory = memory.map_or_else(String::new, |memory| format!(", {}", bytes(memory)));
    format!("device    {}{memory} ({})", device.name(), device.reason())
}

/// When the first line about compilation is printed, and the interval between lines.
const COMPILATION_LINES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(10)];

/// Opens a session; if the driver compiles for long, lines say how far it is, and `stop` ends it.
pub(super) fn open(planned: Planned<'_>, stop: &AtomicBool, quiet: bool) -> Result<Session> {
    let device = planned.device();
    let compilation = &device.options().compilation;
    let (done, waiting) = mpsc::channel::<()>();
    let session = thread::scope(|scope| {
        scope.spawn(move || {
            let [first, interval] = COMPILATION_LINES;
            let mut next = Instant::now() + first;
            while waiting.recv_timeout(Duration::from_millis(50)) == Err(RecvTimeoutError::Timeout) {
                if stop.load(Ordering::Relaxed) {
                    compilation.end();
                }
                let [compiled, all] = compilation.progress();
                if Instant::now() >= next && all > 0 {
                    next += interval;
                    note(
                        quiet,
                        &format!(
                            "compiling kernels {compiled}/{all}; the driver may keep them for the next start"
                        ),
                    );
                }
            }
        });
        let session = planned.open();
        drop(done);
        session
    });
    Ok(opened(device, session?))
}

/// A session opened on a device; prints a line if the matrix units failed their self-test.
pub(super) fn opened(device: &Device, session: Session) -> Session {
    if let Some(failure) = device.matrix_units_failure() {
        note(false, &format!("kernels   {}", without_matrix_units(failure)));
    }
    session
}

/// The note in results from a device whose matrix units fail.
pub(super) fn without_matrix_units(failure: &str) -> String {
    format!("f16 without the matrix units, which fail their self-test; expect it to be slower: {failure}")
}
