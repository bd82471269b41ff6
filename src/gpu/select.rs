//! Selection of a device, with the reason.

use std::{convert::Infallible, fmt, str::FromStr};

use thiserror::Error;

use super::adapter::{Adapter, Backend, DeviceInfo, DeviceKind, adapters};

/// The user's request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceRequest {
    /// A hardware GPU if there is one, else the CPU device.
    #[default]
    Auto,
    /// The CPU device.
    Cpu,
    /// The device with this number in [`super::devices`].
    Index(usize),
    /// The best device of a backend; a software adapter only if there is nothing else.
    Backend(Backend),
    /// The device whose name contains this, case-insensitively.
    Name(String),
}

/// Numbers with more digits are parts of names.
const INDEX_DIGITS: usize = 2;

impl FromStr for DeviceRequest {
    type Err = Infallible;

    /// `auto`, `cpu`, `vulkan`, `metal`, `dx12`, a number of one or two digits, or else part of a name (`4090`).
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let text = text.trim();
        Ok(match text.to_lowercase().as_str() {
            "auto" | "" => Self::Auto,
            "cpu" => Self::Cpu,
            "vulkan" => Self::Backend(Backend::Vulkan),
            "metal" => Self::Backend(Backend::Metal),
            "dx12" => Self::Backend(Backend::Dx12),
            _ => match text.parse() {
                Ok(index) if text.len() <= INDEX_DIGITS => Self::Index(index),
                _ => Self::Name(text.to_owned()),
            },
        })
    }
}

impl fmt::Display for DeviceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Index(index) => write!(f, "{index}"),
            Self::Backend(backend) => write!(f, "{}", backend.to_string().to_lowercase()),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A device to run on.
#[derive(Clone, Debug)]
pub enum DeviceChoice {
    /// The CPU executor.
    Cpu,
    /// A GPU, hardware or emulated.
    Gpu(Adapter),
}

/// The chosen device and the reason.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The device.
    pub device: DeviceChoice,
    /// Why, as `auto: the only hardware GPU`.
    pub reason: String,
}

/// A request that does not identify a device.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SelectError {
    /// No device has this name, number or backend.
    #[error("--device {request}: there is no such device. {}", there_are(devices))]
    Missing {
        /// The request.
        request: String,
        /// The devices of this machine.
        devices: Vec<DeviceInfo>,
    },
    /// Devices of different names match.
    #[error("--device {request} matches {} devices: {}. Give more of the name, or the number", matches.len(), list(matches))]
    Ambiguous {
        /// The request.
        request: String,
        /// The matching devices.
        matches: Vec<DeviceInfo>,
    },
}

/// Finds the device for a request.
///
/// - `auto`: the first hardware GPU in the order of [`super::devices`] (discrete before integrated before virtual), else
///   the CPU device, which is faster than a software adapter.
/// - A backend: its first device in that order.
/// - A name: the device with exactly this name, else the one whose name contains it. Of several devices with one name (two
///   equal cards, or one card through two backends) the first is taken; different names are an error.
///
/// # Errors
/// [`SelectError`], which lists the devices.
pub fn select(request: &DeviceRequest) -> Result<Selection, SelectError> {
    if *request == DeviceRequest::Cpu {
        return Ok(Selection { device: DeviceChoice::Cpu, reason: "as requested".to_owned() });
    }
    let mut adapters = adapters();
    let devices: Vec<DeviceInfo> = adapters.iter().map(|a| a.info().clone()).collect();
    let (index, reason) = decide(request, &devices)?;
    let device = index.map_or(DeviceChoice::Cpu, |index| DeviceChoice::Gpu(adapters.swap_remove(index)));
    Ok(Selection { device, reason })
}

/// The index of the device, `None` for the CPU device, and why.
fn decide(request: &DeviceRequest, devices: &[DeviceInfo]) -> Result<(Option<usize>, String), SelectError> {
    let asked = || "as requested".to_owned();
    let missing = || SelectError::Missing { request: request.to_string(), devices: devices.to_vec() };
    match request {
        DeviceRequest::Cpu => Ok((None, asked())),
        DeviceRequest::Auto => Ok(automatic(devices)),
        DeviceRequest::Index(index) if *index < devices.len() => Ok((Some(*index), asked())),
        DeviceRequest::Backend(backend) => {
            let found = devices.iter().position(|d| d.backend == *backend);
            Ok((Some(found.ok_or_else(missing)?), asked()))
        }
        DeviceRequest::Index(_) => Err(missing()),
        DeviceRequest::Name(name) => {
            let name = name.to_lowercase();
            let matching = |test: &dyn Fn(&str) -> bool| -> Vec<usize> {
                (0..devices.len()).filter(|&i| test(&devices[i].name.to_lowercase())).collect()
            };
            let mut matches = matching(&|device| device == name);
            if matches.is_empty() {
                matches = matching(&|device| device.contains(&name));
            }
            let first = *matches.first().ok_or_else(missing)?;
            if matches.iter().any(|&i| devices[i].name != devices[first].name) {
                let matches = matches.iter().map(|&i| devices[i].clone()).collect();
                return Err(SelectError::Ambiguous { request: request.to_string(), matches });
            }
            Ok((Some(first), asked()))
        }
    }
}

fn automatic(devices: &[DeviceInfo]) -> (Option<usize>, String) {
    let mut hardware = devices.iter().filter(|d| !d.software());
    if let Some(first) = hardware.next() {
        // Each backend lists a card once.
        let why = match (1 + hardware.filter(|d| d.backend == first.backend).count(), first.kind) {
            (1, _) => "the only hardware GPU".to_owned(),
            (count, DeviceKind::Discrete) => format!("the first discrete one of {count} GPUs"),
            (count, _) => format!("the first of {count} GPUs"),
        };
        return (Some(first.index), format!("auto: {why}"));
    }
    let reason = match devices.first() {
        Some(software) => format!(
            "auto: no hardware GPU found; a software adapter ({}) is slower than the CPU device",
            software.name
        ),
        None => format!("auto: no GPU found. {HINT}"),
    };
    (None, reason)
}

/// How to install an adapter.
const HINT: &str = "A software adapter comes with Mesa: apt-get install mesa-vulkan-drivers (Debian, Ubuntu)";

fn there_are(devices: &[DeviceInfo]) -> String {
    if devices.is_empty() {
        format!("This machine has no adapter; --device cpu works everywhere. {HINT}")
    } else {
        format!("Available: {}; and cpu", list(devices))
    }
}

fn list(devices: &[DeviceInfo]) -> String {
    devices.iter().map(|d| format!("{}: {d}", d.index)).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::adapter::{AdapterFeatures, AdapterLimits};

    fn devices(list: &[(&str, DeviceKind, Backend)]) -> Vec<DeviceInfo> {
        let info = |(index, &(name, kind, backend)): (usize, &(&str, DeviceKind, Backend))| DeviceInfo {
            index,
            name: name.to_owned(),
            backend,
            kind,
            vendor_id: 0,
            device_id: 0,
            driver: String::new(),
            driver_info: String::new(),
            limits: AdapterLimits {
                buffer_bytes: 1 << 28,
                binding_bytes: 1 << 27,
                offset_alignment: 256,
                storage_buffers: 8,
                workgroup_bytes: 16_384,
                workgroup_invocations: 256,
                workgroup_size: [256, 256, 64],
                workgroups: 65_535,
            },
            features: AdapterFeatures {
                f16: false,
                subgroup_sizes: None,
                timestamps: false,
                robust_buffers: false,
                matrix_side: None,
            },
            memory_bytes: None,
        };
        list.iter().enumerate().map(info).collect()
    }

    fn desk() -> Vec<DeviceInfo> {
        devices(&[
            ("NVIDIA GeForce RTX 4090", DeviceKind::Discrete, Backend::Vulkan),
            ("NVIDIA GeForce RTX 4090", DeviceKind::Discrete, Backend::Dx12),
            ("NVIDIA GeForce GTX 1050", DeviceKind::Discrete, Backend::Vulkan),
            ("Intel UHD 770", DeviceKind::Integrated, Backend::Vulkan),
            ("llvmpipe (LLVM 15.0.6, 256 bits)", DeviceKind::Software, Backend::Vulkan),
        ])
    }

    fn decide_on(text: &str, devices: &[DeviceInfo]) -> Result<(Option<usize>, String), SelectError> {
        decide(&text.parse().unwrap(), devices)
    }

    #[test]
    fn auto_takes_hardware_and_never_software() {
        let desk = desk();
        assert_eq!(
            decide_on("auto", &desk).unwrap(),
            (Some(0), "auto: the first discrete one of 3 GPUs".to_owned())
        );
        let (index, reason) = decide_on("auto", &desk[3..]).unwrap();
        assert_eq!((index, reason.as_str()), (Some(3), "auto: the only hardware GPU"));
        let (index, reason) = decide_on("auto", &desk[4..]).unwrap();
        assert_eq!(index, None);
        assert!(reason.contains("llvmpipe") && reason.contains("slower than the CPU device"), "{reason}");
        let (index, reason) = decide_on("auto", &[]).unwrap();
        assert_eq!(index, None);
        assert!(reason.contains("apt-get install mesa-vulkan-drivers"), "{reason}");
    }

    #[test]
    fn numbers_backends_and_names_force_a_device() {
        let desk = desk();
        for (request, index) in [
            ("3", 3),
            ("dx12", 1),
            ("Vulkan", 0),
            ("LLVMpipe", 4),
            ("uhd", 3),
            ("4090", 0),
            ("nvidia geforce gtx 1050", 2),
        ] {
            assert_eq!(decide_on(request, &desk).unwrap().0, Some(index), "{request}");
        }
        assert_eq!(decide_on("cpu", &desk).unwrap().0, None);
    }

    #[test]
    fn what_is_missing_or_ambiguous_lists_the_devices() {
        let desk = desk();
        for request in ["5", "metal", "radeon"] {
            let text = decide_on(request, &desk).unwrap_err().to_string();
            assert!(
                text.contains(request) && text.contains("3: Intel UHD 770 [integrated GPU, Vulkan]"),
                "{text}"
            );
        }
        let text = decide_on("nvidia", &desk).unwrap_err().to_string();
        assert!(
            text.contains("matches 3 devices") && text.contains("GTX 1050") && !text.contains("Intel"),
            "{text}"
        );
        let text = decide_on("0", &[]).unwrap_err().to_string();
        assert!(text.contains("no adapter") && text.contains("--device cpu"), "{text}");
    }

    #[test]
    fn requests_print_as_they_are_typed() {
        for text in ["auto", "cpu", "2", "vulkan", "metal", "dx12", "RTX 4090"] {
            assert_eq!(text.parse::<DeviceRequest>().unwrap().to_string(), text);
        }
    }
}
