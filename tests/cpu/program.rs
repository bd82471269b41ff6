//! Lowering and memory planning, without any device.

use vgg_wgpu::{
    gpu::{self, Options},
    kernels::{Caps, DeviceClass},
    model::VggConfig,
    ops::{Access, Adam},
    program::{DeviceLimits, Lowered, MemoryPlan, Mode, Pass, Phase, Precision, Role, Settings, lower},
};

const ADAM: Adam = Adam::DEFAULT;
const MIB: u64 = 1 << 20;
/// llvmpipe's limits, and WebGPU's defaults.
const SMALL: DeviceLimits = DeviceLimits { binding_bytes: 128 * MIB, offset_alignment: 256, f16: true };

fn lowered(side: usize, batch: usize, mode: Mode, limits: DeviceLimits) -> Lowered {
    let network = VggConfig { image_size: [side, side], ..VggConfig::default() }.network().unwrap();
    let (mean, std) = (vec![0.1307], vec![0.3081]);
    lower(&network, &Settings { batch, source: [28, 28], mean, std, mode, precision: Precision::F32, limits })
        .unwrap()
}

#[test]
fn every_step_is_well_typed_and_every_view_can_be_bound() {
    for (side, batch, limits) in
        [(28, 3, SMALL), (224, 4, SMALL), (224, 64, SMALL), (224, 64, DeviceLimits::NONE)]
    {
        let program = lowered(side, batch, Mode::Train(ADAM.into()), limits).program;
        program.validate().unwrap();
        assert!(program.needs().binding_bytes <= limits.binding_bytes);
        for step in &program.steps {
            for view in &step.args {
                let tensor = program.tensor(view.tensor);
                let offset = (view.offset * tensor.dtype.bytes()) as u64;
                assert_eq!(offset % limits.offset_alignment, 0, "{} {}", step.label, tensor.name);
            }
        }
    }
}

#[test]
fn the_full_network_is_sliced_for_a_small_binding_and_whole_without_a_limit() {
    let sliced = lowered(224, 16, Mode::Train(ADAM.into()), SMALL).program;
    let whole = lowered(224, 16, Mode::Train(ADAM.into()), DeviceLimits::NONE).program;
    assert!(whole.steps.iter().all(|s| !s.label.contains('[')));
    // FC1's 392 MiB, and conv1_1's 196 MiB of output.
    for label in ["fc1.forward[", "fc1.grad_weight[", "conv1_1.forward[", "conv1_2.grad_input["] {
        assert!(sliced.steps.iter().any(|s| s.label.starts_with(label)), "{label}");
    }
    let flops = |p: &vgg_wgpu::program::Program| p.steps.iter().map(|s| s.op.flops()).sum::<u64>();
    let ratio = flops(&sliced) as f64 / flops(&whole) as f64;
    assert!((ratio - 1.0).abs() < 1e-3, "slices do the same work, but {ratio} of it");
}

/// Mean and std become constants of the kernels, where they must be numbers.
#[test]
fn a_normalisation_that_is_not_finite_is_refused() {
    let network = VggConfig { image_size: [28, 28], ..VggConfig::default() }.network().unwrap();
    let lower = |mean: &[f32], std: &[f32]| {
        let (mean, std, limits) = (mean.to_vec(), std.to_vec(), DeviceLimits::NONE);
        let settings = Settings {
            batch: 1,
            source: [28, 28],
            mean,
            std,
            mode: Mode::Evaluate,
            precision: Precision::F32,
            limits,
        };
        lower(&network, &settings).err().map(|error| error.to_string())
    };
    assert_eq!(lower(&[0.1], &[f32::MIN_POSITIVE]), None);
    for (mean, std) in
        [(0.1, 0.0), (0.1, -1.0), (0.1, f32::NAN), (0.1, 1e-40), (f32::INFINITY, 1.0), (f32::NAN, 1.0)]
    {
        let error = lower(&[mean], &[std]).expect("an error");
        assert!(
            error.contains(&format!("channel 0 is normalised with mean {mean:?} and std {std:?}")),
            "{error}"
        );
    }
    let error = lower(&[0.1], &[0.3, 0.3]).expect("an error");
    assert!(error.contains("the images have 2 channels, but the network takes 1"), "{error}");
}

/// The arithmetic of the notes: 92.4 GFLOP an image for training at 224 px, 1.47 at 28 px.
#[test]
fn the_work_of_a_training_step_is_known() {
    for (side, giga) in [(224, 92.4), (28, 1.47)] {
        let program = lowered(side, 2, Mode::Train(ADAM.into()), DeviceLimits::NONE).program;
        let matrix = ["conv.", "linear."];
        let flops: u64 = program.steps[program.pass(Pass::Train)]
            .iter()
            .filter(|s| matrix.iter().any(|m| s.op.name().starts_with(m)))
            .map(|s| s.op.flops())
            .sum();
        let per_image = flops as f64 / 2e9;
        assert!((per_image / giga - 1.0).abs() < 0.01, "{side} px: {per_image} GFLOP an image");
    }
}

/// Runs the plan symbolically: no step may find another tensor where its argument should be.
#[test]
fn tensors_that_share_a_slot_never_live_at_the_same_time() {
    for mode in [Mode::Train(ADAM.into()), Mode::Evaluate] {
        let program = lowered(28, 4, mode, DeviceLimits::NONE).program;
        let plan = MemoryPlan::new(&program);
        let mut holds: Vec<Option<usize>> = vec![None; plan.slots.len()];
        for step in &program.steps {
            let operands = step.op.operands();
            for (view, operand) in step.args.iter().zip(&operands) {
                let slot = plan.slot_of[view.tensor.0];
                assert!(plan.slots[slot].bytes >= program.tensor(view.tensor).bytes());
                let transient = program.tensor(view.tensor).role == Role::Transient;
                if operand.access == Access::Write {
                    holds[slot] = Some(view.tensor.0);
                } else if transient {
                    assert_eq!(holds[slot], Some(view.tensor.0), "{} {}", step.label, operand.name);
                }
            }
            let mut slots: Vec<usize> = step.args.iter().map(|v| plan.slot_of[v.tensor.0]).collect();
            slots.sort_unstable();
            slots.dedup();
            let mut tensors: Vec<usize> = step.args.iter().map(|v| v.tensor.0).collect();
            tensors.sort_unstable();
            tensors.dedup();
            assert_eq!(slots.len(), tensors.len(), "{}: two arguments in one buffer", step.label);
        }
        let sum: u64 = program.tensors.iter().map(vgg_wgpu::program::Tensor::bytes).sum();
        assert!(plan.bytes() < sum, "nothing is shared");
    }
}

#[test]
fn persistent_tensors_have_a_buffer_each() {
    let program = lowered(28, 2, Mode::Train(ADAM.into()), DeviceLimits::NONE).program;
    for slot in MemoryPlan::new(&program).slots {
        let lasting = slot.tensors.iter().any(|&t| program.tensor(t).role != Role::Transient);
        assert!(!lasting || slot.tensors.len() == 1);
    }
}

/// Neither a batch norm's output nor the gradient of its input is stored: its neighbours compute them in their prologues.
#[test]
fn batch_norm_writes_nothing_of_the_size_of_an_activation() {
    for limits in [SMALL, DeviceLimits::NONE] {
        let program = lowered(224, 8, Mode::Train(ADAM.into()), limits).program;
        for step in program.steps.iter().filter(|s| s.op.name().starts_with("batch_norm")) {
            for operand in step.op.operands() {
                let vector = operand.shape.elements() <= 5 * 512;
                assert!(vector || operand.access == Access::Read, "{} writes {}", step.label, operand.name);
            }
        }
        assert!(program.steps.iter().all(|s| !s.label.ends_with(".grad_bias") || s.label.starts_with("fc")));
    }
}

/// They are reduced by the kernel that computes the summed gradient, or separately if pooling windows overlap.
#[test]
fn the_sums_for_batch_norms_backward_pass_cost_no_pass() {
    let apart = |side| -> Vec<String> {
        let program = lowered(side, 2, Mode::Train(ADAM.into()), DeviceLimits::NONE).program;
        let steps = program.steps.into_iter().filter(|s| s.op.name() == "batch_norm.grad_statistics");
        steps.map(|step| step.label).collect()
    };
    assert_eq!(apart(224), [""; 0]);
    assert_eq!(apart(28), ["bn5_3.grad_statistics", "bn4_3.grad_statistics"]);
}

#[test]
fn evaluation_alone_needs_no_gradients() {
    let program = lowered(28, 2, Mode::Evaluate, DeviceLimits::NONE).program;
    assert!(program.steps.iter().all(|s| s.phase == Phase::Evaluate && !s.op.name().contains("grad")));
    assert!(program.tensors.iter().all(|t| !matches!(t.role, Role::Gradient | Role::OptimizerState)));
    assert!(program.pass(Pass::Train).is_empty());
}

#[test]
fn mixed_precision_halves_transient_memory_and_needs_f16() {
    let network = VggConfig { image_size: [28, 28], ..VggConfig::default() }.network().unwrap();
    let settings = |precision, limits| Settings {
        batch: 64,
        source: [28, 28],
        mean: vec![0.1307],
        std: vec![0.3081],
        mode: Mode::Train(ADAM.into()),
        precision,
        limits,
    };
    let transient = |precision| {
        let program = lower(&network, &settings(precision, SMALL)).unwrap().program;
        program.validate().unwrap();
        let plan = MemoryPlan::new(&program);
        let slots = plan.slots.iter().filter(|s| program.tensor(s.tensors[0]).role == Role::Transient);
        slots.map(|s| s.bytes).sum::<u64>()
    };
    // The copies of the weights come on top: 2 bytes for each of 33.6 million at most.
    let [full, mixed] = [Precision::F32, Precision::Mixed].map(transient);
    assert!(mixed <= full / 2 + 2 * 33_645_514, "{mixed} of {full}");
    let error = lower(&network, &settings(Precision::Mixed, DeviceLimits::NONE)).unwrap_err().to_string();
    assert!(
        error.contains("--precision mixed needs 16-bit floats") && error.contains("--precision f32"),
        "{error}"
    );
}

/// The `report` recipe fits a GPU of 8 GiB: all tensors, and the scratch buffers of the kernels that it would use.
#[test]
fn the_full_network_at_batch_64_takes_at_most_8_gib_with_all_workspaces() {
    let unlimited = DeviceLimits { binding_bytes: Caps::DISCRETE.binding_bytes, ..SMALL };
    let software = Caps { class: DeviceClass::Software, subgroup_sizes: Some([8, 8]), ..Caps::WEBGPU };
    let devices = [
        ("discrete", Caps::DISCRETE, unlimited),
        ("integrated", Caps { class: DeviceClass::Integrated, ..Caps::DISCRETE }, unlimited),
        ("WebGPU's defaults", Caps::WEBGPU, SMALL),
        ("llvmpipe", software, SMALL),
    ];
    for (name, caps, limits) in devices {
        let program = lowered(224, 64, Mode::Train(ADAM.into()), limits).program;
        let workspaces = gpu::workspaces(&program, &caps, &Options::default()).unwrap();
        assert!(!workspaces.is_empty(), "{name}: products are split, sums are merged");
        let tensors = MemoryPlan::new(&program).bytes();
        let all = tensors + workspaces.iter().map(|w| w.bytes).sum::<u64>();
        println!("{name}: {all} bytes, {tensors} of them tensors; {workspaces:?}");
        assert!(all <= 8192 * MIB, "{name}: {} MiB, {workspaces:?}", all / MIB);
    }
}
