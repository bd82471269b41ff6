//! `vgg devices`: the devices of this machine.

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::{
    device::CPU_HINT,
    output::{print, print_json},
    table::{Align, bytes, table},
};
use crate::{
    cpu,
    gpu::{self, DeviceInfo},
};

/// `vgg devices`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// The devices, as `--json` prints them.
#[derive(Serialize)]
struct Devices {
    devices: Vec<ListedDevice>,
}

/// A device; what is unknown or unlimited is `None`.
#[derive(Serialize)]
struct ListedDevice {
    /// What `--device` takes.
    device: String,
    name: String,
    kind: String,
    api: Option<String>,
    memory_bytes: Option<u64>,
    binding_bytes: Option<u64>,
    driver: Option<String>,
    features: Vec<String>,
}

/// Runs `vgg devices`.
pub(super) fn run(flags: &Flags) -> Result<()> {
    let devices = gpu::devices();
    let mut listed = vec![processor()?];
    listed.extend(devices.iter().map(adapter));
    if flags.json {
        return print_json(&Devices { devices: listed });
    }
    let rows: Vec<Vec<String>> = listed.iter().map(row).collect();
    let columns = [
        ("--device", Align::Left),
        ("name", Align::Left),
        ("kind", Align::Left),
        ("API", Align::Left),
        ("memory", Align::Right),
        ("binding", Align::Right),
        ("driver", Align::Left),
        ("features", Align::Left),
    ];
    let mut text = table(&columns, &rows);
    if devices.is_empty() {
        text += &format!("\nNo Vulkan, Metal or DX12 adapter was found. {CPU_HINT}\n");
    }
    print(&text)
}

fn processor() -> Result<ListedDevice> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Ok(ListedDevice {
        device: "cpu".to_owned(),
        name: format!("this machine's processor, {threads} threads"),
        kind: "CPU".to_owned(),
        api: None,
        memory_bytes: crate::device::system_memory(),
        binding_bytes: None,
        driver: None,
        features: vec![cpu::instruction_set()?.to_string(), "f32".to_owned(), "f64 in the tests".to_owned()],
    })
}

fn adapter(device: &DeviceInfo) -> ListedDevice {
    let features = &device.features;
    let mut named = Vec::new();
    named.extend(features.f16.then(|| "f16".to_owned()));
    named.extend(features.subgroup_sizes.map(|[low, high]| {
        if low == high { format!("subgroups of {low}") } else { format!("subgroups of {low} to {high}") }
    }));
    named.extend(features.timestamps.then(|| "timestamps".to_owned()));
    named.extend(features.matrix_side.map(|side| format!("cooperative matrices of {side} x {side}")));
    ListedDevice {
        device: device.index.to_string(),
        name: device.name.clone(),
        kind: device.kind.to_string(),
        api: Some(device.backend.to_string()),
        memory_bytes: device.memory_bytes,
        binding_bytes: Some(device.limits.binding_bytes),
        driver: Some(format!("{} {}", device.driver, device.driver_info).trim().to_owned()),
        features: named,
    }
}

fn row(device: &ListedDevice) -> Vec<String> {
    let or = |value: &Option<String>, other: &str| value.clone().unwrap_or_else(|| other.to_owned());
    let size = |value: Option<u64>, other: &str| value.map_or_else(|| other.to_owned(), bytes);
    vec![
        device.device.clone(),
        device.name.clone(),
        device.kind.clone(),
        or(&device.api, "-"),
        size(device.memory_bytes, "?"),
        size(device.binding_bytes, "no limit"),
        or(&device.driver, "-"),
        device.features.join(", "),
    ]
}
