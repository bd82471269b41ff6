//! Devices without a driver's checks of buffer accesses.
//!
//! wgpu enables robustBufferAccess2 on every Vulkan device. NVIDIA's GPUs then check each access by itself, so that a vector is read by
//! several instructions; AMD's check for nothing. This crate's kernels access nothing outside of their bindings: the tests mark every such
//! access (`Source::marking`).

/// A Vulkan device whose driver does not check buffer accesses; `None` on other APIs, or if it cannot be opened so.
#[cfg(any(windows, target_os = "linux", target_os = "android", target_os = "freebsd"))]
pub(super) fn unchecked(
    adapter: &wgpu::Adapter,
    descriptor: &wgpu::DeviceDescriptor,
) -> Option<(wgpu::Device, wgpu::Queue)> {
    use ash::vk;

    let (features, limits, hints) =
        (descriptor.required_features, &descriptor.required_limits, &descriptor.memory_hints);
    // wgpu refuses what the adapter does not have; here nothing else would.
    if !adapter.features().contains(features) || !limits.check_limits(&adapter.limits()) {
        return None;
    }
    let open = {
        // SAFETY: nothing is destroyed through the handles, and they do not outlive the guard.
        let vulkan = unsafe { adapter.as_hal::<wgpu::hal::api::Vulkan>() }?;
        let extensions = vulkan.required_device_extensions(features);
        let names: Vec<_> = extensions.iter().map(|name| name.as_ptr()).collect();
        // The family and the queue that wgpu takes too.
        let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(0).queue_priorities(&[1.0])];
        let mut enabled = vulkan.physical_device_features(&extensions, features);
        let core = enabled.get_core().robust_buffer_access(false);
        let create =
            vk::DeviceCreateInfo::default().queue_create_infos(&queues).enabled_extension_names(&names);
        let create = enabled.add_to_device_create(create).enabled_features(&core);
        let mut next = create.p_next.cast_mut().cast::<vk::BaseOutStructure<'_>>();
        // SAFETY: the chain consists of structures that `enabled` owns and lends for writing, and that this function alone uses. Each
        // begins with its type and the next structure.
        while let Some(structure) = unsafe { next.as_mut() } {
            if structure.s_type == vk::StructureType::PHYSICAL_DEVICE_ROBUSTNESS_2_FEATURES_EXT {
                let robustness = next.cast::<vk::PhysicalDeviceRobustness2FeaturesEXT<'_>>();
                // SAFETY: its type says what it is.
                unsafe { (*robustness).robust_buffer_access2 = vk::FALSE };
            }
            next = structure.p_next;
        }
        let (instance, physical) = (vulkan.shared_instance().raw_instance(), vulkan.raw_physical_device());
        // SAFETY: `create` has the extensions and features that wgpu's own device has, but for two that only restrict.
        let raw = unsafe { instance.create_device(physical, &create, None) }.ok()?;
        // SAFETY: it is of this adapter and was created with these extensions and this queue; wgpu destroys it.
        unsafe { vulkan.device_from_raw(raw, None, &extensions, features, limits, hints, 0, 0) }.ok()?
    };
    // SAFETY: it was opened by this adapter, with the features and limits of the descriptor.
    unsafe { adapter.create_device_from_hal(open, descriptor) }.ok()
}

#[cfg(not(any(windows, target_os = "linux", target_os = "android", target_os = "freebsd")))]
pub(super) fn unchecked(
    _: &wgpu::Adapter,
    _: &wgpu::DeviceDescriptor,
) -> Option<(wgpu::Device, wgpu::Queue)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{Backend, test_adapter};

    /// Otherwise every device would be opened with the checks, which nobody would notice.
    #[test]
    fn every_vulkan_device_opens_without_the_checks() {
        let Some(adapter) = test_adapter().filter(|adapter| adapter.info().backend == Backend::Vulkan) else {
            return;
        };
        let descriptor = wgpu::DeviceDescriptor::default();
        assert!(unchecked(&adapter.raw, &descriptor).is_some());
        let more = wgpu::Limits { max_buffer_size: u64::MAX, ..wgpu::Limits::default() };
        let beyond = wgpu::DeviceDescriptor { required_limits: more, ..descriptor };
        assert!(unchecked(&adapter.raw, &beyond).is_none(), "more than the adapter has");
    }
}
