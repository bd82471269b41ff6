//! `vgg devices`: the devices of this machine.

use anyhow::Result;

use super::{
    device::CPU_HINT,
    output::print,
    table::{Align, bytes, table},
};
use crate::{
    cpu,
    gpu::{self, DeviceInfo},
};

/// Runs `vgg devices`.
pub(super) fn run() -> Result<()> {
    let devices = gpu::devices();
    let mut rows = vec![cpu_row()?];
    rows.extend(devices.iter().map(row));
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

fn cpu_row() -> Result<Vec<String>> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let memory = crate::device::system_memory().map_or_else(|| "?".into(), bytes);
    let name = format!("this machine's processor, {threads} threads");
    let features = format!("{}, f32, f64 in the tests", cpu::instruction_set()?);
    Ok(["cpu", &name, "CPU", "-", &memory, "no limit", "-", &features].map(str::to_owned).to_vec())
}

fn row(device: &DeviceInfo) -> Vec<String> {
    let features = &device.features;
    let mut named = Vec::new();
    named.extend(features.f16.then(|| "f16".to_owned()));
    named.extend(features.subgroup_sizes.map(|[low, high]| {
        if low == high { format!("subgroups of {low}") } else { format!("subgroups of {low} to {high}") }
    }));
    named.extend(features.timestamps.then(|| "timestamps".to_owned()));
    named.extend(features.matrix_side.map(|side| format!("cooperative matrices of {side} x {side}")));
    vec![
        device.index.to_string(),
        device.name.clone(),
        device.kind.to_string(),
        device.backend.to_string(),
        device.memory_bytes.map_or_else(|| "?".into(), bytes),
        bytes(device.limits.binding_bytes),
        format!("{} {}", device.driver, device.driver_info).trim().to_owned(),
        named.join(", "),
    ]
}
