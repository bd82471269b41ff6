//! The GPU executor: devices, staging, limits, refusals; with small kernels of the tests' own, so that nothing else is tested.
//!
//! Needs an adapter; a software one will do (`scripts/test` installs one). `VGG_SKIP_GPU=1` skips, visibly.

use vgg_wgpu::{
    dtype::DType,
    gpu::{Adapter, DeviceChoice, DeviceRequest, GpuExecutor, OpenError, Options, devices, select},
    kernels::{Caps, Dispatch, Kernel, Variant},
    ops::{Activate, Op},
    program::{Executor, ExecutorError, Pass, Phase, Program, Role, Step, Tensor, TensorId, View},
    shader::{Fragment, Source},
};

const GRID: &str = "
    fn grid_index(wid: vec3<u32>, nwg: vec3<u32>) -> u32 { return wid.y * nwg.x + wid.x; }
";

/// One invocation per element, `SIZE` of them in a workgroup.
const RELU: &str = "
    @group(0) @binding(0) var<storage, read> input: array<f32>;
    @group(0) @binding(1) var<storage, read_write> output: array<f32>;
    @compute @workgroup_size(SIZE)
    fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
        let i = grid_index(wid, nwg) * SIZE + lane;
        if i < LEN { output[i] = max(input[i], 0.0); }
    }";

/// The same through the workspace, in two dispatches.
const TO_WORKSPACE: &str = "
    @group(0) @binding(0) var<storage, read> input: array<f32>;
    @group(0) @binding(1) var<storage, read_write> workspace: array<f32>;
    @compute @workgroup_size(SIZE)
    fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
        let i = grid_index(wid, nwg) * SIZE + lane;
        if i < LEN { workspace[i] = max(input[i], 0.0); }
    }";
const FROM_WORKSPACE: &str = "
    @group(0) @binding(0) var<storage, read> workspace: array<f32>;
    @group(0) @binding(1) var<storage, read_write> output: array<f32>;
    @compute @workgroup_size(SIZE)
    fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
        let i = grid_index(wid, nwg) * SIZE + lane;
        if i < LEN { output[i] = workspace[i]; }
    }";

fn len(op: &Op) -> usize {
    let Op::Activate(Activate { len, .. }) = op else { panic!("{} is not activation.forward", op.name()) };
    *len
}

fn dispatch(op: &Op, file: &'static str, size: usize, label: &'static str) -> Dispatch {
    let source =
        Source::new([GRID, file].map(Fragment::inline)).constant("LEN", len(op)).constant("SIZE", size);
    Dispatch::new(label, source, len(op).div_ceil(size) as u64)
}

fn single(op: &Op, file: &'static str, size: usize) -> Kernel {
    Kernel::new(vec![dispatch(op, file, size, "")])
}

const fn row(name: &'static str, build: fn(&Op, &Caps) -> Kernel) -> Variant {
    Variant::custom("activation.forward", name, |_, _| true, build)
}

static PLAIN: Variant = row("plain", |op, _| single(op, RELU, 64));
static NARROW: Variant = row("narrow", |op, _| single(op, RELU, 1));
static STAGED: Variant = row("staged", |op, _| {
    Kernel::new(vec![dispatch(op, TO_WORKSPACE, 64, "store"), dispatch(op, FROM_WORKSPACE, 64, "load")])
        .workspace("workspace", 4 * len(op))
});

fn open_with(
    adapter: &Adapter,
    program: Program,
    row: &'static Variant,
    options: &Options,
) -> Result<GpuExecutor, OpenError> {
    GpuExecutor::open_with(adapter, program, options, &|_, _| Ok(row))
}

fn open(adapter: &Adapter, program: Program) -> GpuExecutor {
    open_with(adapter, program, &PLAIN, &Options::default()).unwrap()
}

fn relu(len: usize) -> Program {
    Program::single(Activate::relu(len).into())
}

fn tensor(name: &str, len: usize, dtype: DType, role: Role) -> Tensor {
    Tensor { name: name.into(), shape: [len].into(), dtype, role }
}

/// A program without steps: only storage.
fn storage(len: usize, dtype: DType) -> Program {
    let mut program = Program::default();
    program.add(tensor("x", len, dtype, Role::Parameter));
    program
}

fn bytes(values: &[f32]) -> &[u8] {
    bytemuck::cast_slice(values)
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytemuck::pod_collect_to_vec(bytes)
}

/// Different values, half of them negative.
fn values(len: usize, salt: u32) -> Vec<f32> {
    (0..len as u32).map(|i| ((i.wrapping_mul(2_654_435_761) ^ salt) as i32 >> 8) as f32).collect()
}

fn rectified(values: &[f32]) -> Vec<f32> {
    values.iter().map(|v| v.max(0.0)).collect()
}

const INPUT: TensorId = TensorId(0);
const OUTPUT: TensorId = TensorId(1);

/// Uploads, runs once, reads.
fn run(executor: &mut GpuExecutor, input: &[f32]) -> Vec<f32> {
    executor.upload(INPUT, bytes(input)).unwrap();
    executor.run(Pass::Train).unwrap();
    floats(&executor.read(OUTPUT).unwrap())
}

#[test]
fn devices_are_listed_in_a_stable_order() {
    let _ = adapter!();
    let list = devices();
    assert_eq!(list, devices());
    for (index, device) in list.iter().enumerate() {
        assert_eq!(device.index, index);
        assert!(!device.name.is_empty() && device.limits.binding_bytes < 1 << 31);
        assert!(device.memory_bytes.is_none_or(|bytes| bytes > 1 << 20));
    }
    assert!(list.is_sorted_by_key(|d| d.kind));
}

/// Another thread sees how many kernels are compiled, and may end it.
#[test]
fn compilation_is_counted_and_can_be_ended() {
    let (adapter, options) = (adapter!(), Options::default());
    GpuExecutor::open(&adapter, relu(1000), &options).unwrap();
    assert_eq!(options.compilation.progress(), [1, 1]);
    options.compilation.end();
    assert!(matches!(GpuExecutor::open(&adapter, relu(1000), &options), Err(OpenError::Interrupted)));
}

#[test]
fn a_step_computes() {
    let adapter = adapter!();
    let input = values(1000, 7);
    let mut executor = open(&adapter, relu(1000));
    assert_eq!(run(&mut executor, &input), rectified(&input));
}

#[test]
fn odd_sizes_and_types_come_back_as_they_were() {
    let adapter = adapter!();
    for (dtype, len) in
        [(DType::U8, 1), (DType::U8, 3), (DType::U8, 784 * 3 + 1), (DType::U32, 5), (DType::F32, 1)]
    {
        let mut executor = open(&adapter, storage(len, dtype));
        let data: Vec<u8> = (0..len * dtype.bytes()).map(|i| (i * 7 + 1) as u8).collect();
        executor.upload(INPUT, &data).unwrap();
        assert_eq!(executor.read(INPUT).unwrap(), data, "{len} {dtype}");
    }
}

#[test]
fn a_tensor_larger_than_the_staging_buffers_is_transferred_in_pieces() {
    let adapter = adapter!();
    let len = (65 << 20) + 3;
    let mut executor = open(&adapter, storage(len, DType::U8));
    let allocations = executor.allocations();
    let data: Vec<u8> = (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    executor.upload(INPUT, &data).unwrap();
    assert!(executor.read(INPUT).unwrap() == data);
    assert_eq!(executor.allocations(), allocations);
}

#[test]
fn answers_come_in_the_order_of_the_requests_with_the_values_at_that_time() {
    let adapter = adapter!();
    let mut executor = open(&adapter, relu(3));
    let allocations = executor.allocations();
    let rounds = 30;
    for round in 0..rounds {
        executor.upload(INPUT, bytes(&[round as f32, -1.0, 0.5])).unwrap();
        executor.run(Pass::Train).unwrap();
        executor.request(OUTPUT).unwrap();
    }
    for round in 0..rounds {
        let answer = executor.collect(true).unwrap().unwrap();
        assert_eq!(floats(&answer), [round as f32, 0.0, 0.5]);
    }
    assert!(executor.collect(true).unwrap().is_none());
    executor.request(INPUT).unwrap();
    let answer = loop {
        if let Some(answer) = executor.collect(false).unwrap() {
            break answer;
        }
        std::thread::yield_now();
    };
    assert_eq!(floats(&answer), [29.0, -1.0, 0.5]);
    assert_eq!(executor.allocations(), allocations, "requests allocate");
}

#[test]
fn an_answer_too_large_for_the_ring_still_comes() {
    let adapter = adapter!();
    let len = (1 << 20) + 1;
    let mut executor = open(&adapter, storage(len, DType::F32));
    let data = values(len, 1);
    executor.upload(INPUT, bytes(&data)).unwrap();
    executor.request(INPUT).unwrap();
    assert!(floats(&executor.collect(true).unwrap().unwrap()) == data);
}

#[test]
fn steps_allocate_nothing() {
    let adapter = adapter!();
    let mut executor = open(&adapter, relu(500));
    let mut counts = Vec::new();
    for step in 0..20 {
        let input = values(500, step);
        assert_eq!(run(&mut executor, &input), rectified(&input));
        counts.push(executor.allocations());
    }
    assert!(counts.iter().all(|&c| c == counts[0]), "{counts:?}");
    assert_eq!(executor.allocated_bytes(), 2 * 2000);
}

#[test]
fn more_than_65535_workgroups_are_folded() {
    let adapter = adapter!();
    for len in [65_535, 65_536, 65_537, 200_003] {
        let input = values(len, 3);
        let mut executor = open_with(&adapter, relu(len), &NARROW, &Options::default()).unwrap();
        assert!(run(&mut executor, &input) == rectified(&input), "{len}");
    }
}

#[test]
fn a_workspace_carries_data_between_the_dispatches_of_a_step() {
    let adapter = adapter!();
    let input = values(777, 5);
    let mut executor = open_with(&adapter, relu(777), &STAGED, &Options::default()).unwrap();
    assert_eq!(run(&mut executor, &input), rectified(&input));
    assert_eq!(executor.allocated_bytes(), 3 * 777 * 4);
    executor.clear(TensorId(1)).unwrap();
    assert_eq!(executor.read(TensorId(1)).unwrap(), [0; 777 * 4], "cleared after the queued steps");
}

#[test]
fn checked_and_unchecked_shaders_agree() {
    let adapter = adapter!();
    let input = values(1003, 9);
    let results = [false, true].map(|checked| {
        let options = Options { checked, ..Options::default() };
        run(&mut open_with(&adapter, relu(1003), &PLAIN, &options).unwrap(), &input)
    });
    assert_eq!(results[0], results[1]);
}

#[test]
fn two_executors_work_side_by_side() {
    let adapter = adapter!();
    let mut executors = [open(&adapter, relu(400)), open(&adapter, relu(900))];
    for round in 0..5 {
        for (executor, len) in executors.iter_mut().zip([400, 900]) {
            executor.upload(INPUT, bytes(&values(len, round))).unwrap();
            executor.run(Pass::Train).unwrap();
        }
        for (executor, len) in executors.iter_mut().zip([400, 900]) {
            assert_eq!(floats(&executor.read(OUTPUT).unwrap()), rectified(&values(len, round)));
        }
    }
}

#[test]
fn an_executor_can_be_dropped_with_work_and_answers_in_flight() {
    let adapter = adapter!();
    let mut executor = open(&adapter, relu(1 << 20));
    for round in 0..5 {
        executor.upload(INPUT, bytes(&values(1 << 20, round))).unwrap();
        executor.run(Pass::Train).unwrap();
        executor.request(OUTPUT).unwrap();
    }
    executor.upload(INPUT, bytes(&values(1 << 20, 9))).unwrap();
}

#[test]
fn views_begin_at_their_offsets() {
    let adapter = adapter!();
    let quantum = adapter.info().limits.offset_alignment as usize / 4;
    let (part, parts) = (2 * quantum, 3);
    let mut program = Program::default();
    let [input, output] = [("input", Role::Input), ("output", Role::Output)]
        .map(|(name, role)| program.add(tensor(name, part * parts, DType::F32, role)));
    // The middle part is left out.
    for index in [0, 2] {
        let view = |tensor| View { tensor, offset: index * part, len: part };
        program.steps.push(Step {
            op: Activate::relu(part).into(),
            args: vec![view(input), view(output)],
            label: format!("relu[{index}]"),
            phase: Phase::Forward,
        });
    }
    let data = values(part * parts, 2);
    let mut expected = rectified(&data);
    expected[part..2 * part].fill(0.0);
    assert_eq!(run(&mut open(&adapter, program), &data), expected);
}

#[test]
fn a_chain_of_steps_shares_memory() {
    let adapter = adapter!();
    let len = 100;
    let mut program = Program::default();
    let mut last = program.add(tensor("input", len, DType::F32, Role::Input));
    let output = program.add(tensor("output", len, DType::F32, Role::Output));
    let count = 6;
    for index in 0..count {
        let next = match index + 1 {
            end if end == count => output,
            _ => program.add(tensor(&format!("hidden{index}"), len, DType::F32, Role::Transient)),
        };
        let args = vec![program.whole(last), program.whole(next)];
        let op = Activate::relu(len).into();
        program.steps.push(Step { op, args, label: format!("relu{index}"), phase: Phase::Forward });
        last = next;
    }
    let mut executor = open(&adapter, program);
    // Input, output and two that the five hidden tensors share.
    assert_eq!(executor.allocated_bytes(), 4 * 400);
    let data = values(len, 4);
    assert_eq!(run(&mut executor, &data), rectified(&data));
}

#[test]
fn the_wrong_size_is_an_error_that_names_the_tensor() {
    let adapter = adapter!();
    let error = open(&adapter, relu(8)).upload(INPUT, &[0; 31]).unwrap_err();
    assert!(matches!(error, ExecutorError::Size { expected: 32, found: 31, .. }), "{error}");
    assert!(error.to_string().contains("input"));
}

fn refusal(adapter: Adapter, program: Program, row: &'static Variant) -> String {
    open_with(&adapter, program, row, &Options::default()).unwrap_err().to_string()
}

#[test]
fn what_does_not_fit_is_refused_in_words_before_a_device_exists() {
    let adapter = adapter!();
    let len = 4 << 20;
    let small = adapter.clone().limited(|l| l.buffer_bytes = 10 << 20);
    let text = refusal(small, relu(len), &PLAIN);
    assert!(
        text.contains("input [4194304] f32 needs a buffer of 16 MiB; this adapter allows 10 MiB"),
        "{text}"
    );
    assert!(text.contains(&adapter.info().name) && text.contains("--batch-size"), "{text}");

    let small = adapter.clone().limited(|l| l.binding_bytes = 12 << 20);
    let text = refusal(small, relu(len), &PLAIN);
    assert!(text.contains("activation.forward binds 16 MiB of input; this adapter allows 12 MiB"), "{text}");

    let text = refusal(adapter.clone().limited(|l| l.storage_buffers = 1), relu(4), &PLAIN);
    assert!(
        text.contains("activation.forward/plain needs storage buffers: 2; this adapter allows 1"),
        "{text}"
    );

    let text = refusal(adapter.clone().limited(|l| l.workgroup_invocations = 32), relu(4), &PLAIN);
    assert!(text.contains("needs invocations in a workgroup: 64; this adapter allows 32"), "{text}");

    let small = adapter.clone().limited(|l| l.buffer_bytes = 10 << 20);
    let text = refusal(small, relu(len), &STAGED);
    assert!(
        text.contains("activation.forward needs a workspace of 16 MiB for activation.forward/staged"),
        "{text}"
    );

    let small = adapter.limited(|l| l.workgroups = 2);
    let text = refusal(small, relu(1000), &NARROW);
    assert!(text.contains("activation.forward takes 1000 workgroups"), "{text}");
}

static NOT_WGSL: Variant = row("broken", |op, _| single(op, "fn main() { let x = nothing; }", 1));
static STRANGER: Variant = row("stranger", |op, _| {
    single(
        op,
        "@group(0) @binding(0) var<storage, read_write> weights: array<f32>;
         @compute @workgroup_size(1) fn main() { weights[0] = 1.0; }",
        1,
    )
});
static VANDAL: Variant = row("vandal", |op, _| {
    single(
        op,
        "@group(0) @binding(0) var<storage, read_write> input: array<f32>;
         @compute @workgroup_size(1) fn main() { input[0] = 1.0; }",
        1,
    )
});

#[test]
fn kernels_that_break_the_contract_are_refused_by_name() {
    let adapter = adapter!();
    for (row, words) in [
        (&NOT_WGSL, "let x = nothing"),
        (&STRANGER, "binds `weights`; the operation has input, output"),
        (&VANDAL, "binds `input` for writing, but the operation only reads it"),
    ] {
        let text = refusal(adapter.clone(), relu(4), row);
        assert!(text.contains(&format!("activation.forward/{}", row.name)) && text.contains(words), "{text}");
    }
    let choose = |_: &Op, _: &Caps| Err("no row for it".to_owned());
    let error = GpuExecutor::open_with(&adapter, relu(4), &Options::default(), &choose).unwrap_err();
    assert_eq!(error.to_string(), "activation.forward: no row for it");
}

/// Binds the output as an array of vec4, for which four bytes are too few.
static TOO_WIDE: Variant = row("too_wide", |op, _| {
    single(
        op,
        "@group(0) @binding(0) var<storage, read_write> output: array<vec4<f32>>;
         @compute @workgroup_size(1) fn main() { output[0] = vec4(1.0); }",
        1,
    )
});

#[test]
fn what_only_the_device_can_reject_is_rejected_at_opening_by_name() {
    let text = refusal(adapter!(), relu(1), &TOO_WIDE);
    assert!(
        text.contains("rejected activation.forward") && text.contains("size 4") && text.contains("16"),
        "{text}"
    );
}

#[test]
fn the_device_gets_just_what_is_needed() {
    let adapter = adapter!();
    let needs = open_with(&adapter, relu(1000), &STAGED, &Options::default()).unwrap().needs();
    assert_eq!((needs.buffer_bytes, needs.binding_bytes, needs.storage_buffers), (4000, 4000, 2));
}

#[test]
fn requests_find_the_devices_of_this_machine() {
    let adapter = adapter!();
    let choice = |text: &str| select(&text.parse().unwrap());
    let gpu = |text: &str| match choice(text).unwrap().device {
        DeviceChoice::Gpu(adapter) => adapter.info().index,
        DeviceChoice::Cpu => panic!("{text} gave the CPU device"),
    };
    assert_eq!(gpu("0"), 0);
    assert_eq!(gpu(&adapter.info().name.to_uppercase()), 0);
    assert!(matches!(choice("cpu").unwrap().device, DeviceChoice::Cpu));
    let automatic = choice("auto").unwrap();
    assert_eq!(
        matches!(automatic.device, DeviceChoice::Cpu),
        adapter.info().software(),
        "{}",
        automatic.reason
    );
    assert!(automatic.reason.starts_with("auto: "));
    let text = choice("no such device").unwrap_err().to_string();
    assert!(text.contains(&adapter.info().name), "{text}");
}

/// Vulkan's loader reads the list of drivers from the environment, so this runs in a separate process.
#[test]
fn without_a_driver_there_are_no_devices_and_no_panic() {
    if std::env::var_os("VGG_TEST_NO_DRIVER").is_some() {
        assert!(devices().is_empty());
        let automatic = select(&DeviceRequest::Auto).unwrap();
        assert!(automatic.reason.contains("apt-get install"), "{}", automatic.reason);
        return;
    }
    if !cfg!(target_os = "linux") {
        return;
    }
    let name = "gpu::without_a_driver_there_are_no_devices_and_no_panic";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env("VGG_TEST_NO_DRIVER", "1")
        .env("VK_ICD_FILENAMES", "/nonexistent.json")
        .env("VK_DRIVER_FILES", "/nonexistent.json")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains(" 1 passed"), "{text}");
}
