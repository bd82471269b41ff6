//! How a device is opened: with and without checks of buffer accesses, with pipelines kept in a file.
//!
//! Needs an adapter; a software one will do (`scripts/test` installs one). `VGG_SKIP_GPU=1` skips, visibly.

use std::fs;

use vgg_wgpu::{
    gpu::{Adapter, GpuExecutor, Options},
    kernels::{Dispatch, Kernel, Variant},
    ops::{Activate, Op},
    program::{Executor, Pass, Program, TensorId},
    shader::{Fragment, Source},
};

const LEN: usize = 64;

/// ReLU whose last invocation reads one element more, which it does not use.
const BEYOND: &str = "
    @group(0) @binding(0) var<storage, read> input: array<f32>;
    @group(0) @binding(1) var<storage, read_write> output: array<f32>;
    @compute @workgroup_size(64)
    fn main(@builtin(local_invocation_index) i: u32) {
        output[i] = select(max(input[i + BEYOND] - 1e30, 0.0), max(input[i], 0.0), i < 64u);
    }";

fn kernel(beyond: usize) -> Kernel {
    let source = Source::new([Fragment::inline(BEYOND)]).constant("BEYOND", beyond);
    Kernel::new(vec![Dispatch::new("", source, 1)])
}

static WITHIN: Variant = Variant::custom("activation.forward", "within", |_, _| true, |_: &Op, _| kernel(0));
static OUTSIDE: Variant =
    Variant::custom("activation.forward", "outside", |_, _| true, |_: &Op, _| kernel(1));

/// Opens a program of one step, runs it, and returns its result and the executor.
fn run(adapter: &Adapter, row: &'static Variant, options: &Options) -> (Vec<u8>, GpuExecutor) {
    let program = Program::single(Activate::relu(LEN).into());
    let mut gpu = GpuExecutor::open_with(adapter, program, options, &|_, _| Ok(row)).unwrap();
    let input: Vec<f32> = (0..LEN).map(|i| i as f32 - 20.5).collect();
    gpu.upload(TensorId(0), bytemuck::cast_slice(&input)).unwrap();
    gpu.run(Pass::Train).unwrap();
    let output = gpu.read(TensorId(1)).unwrap();
    let expected: Vec<f32> = input.iter().map(|x| x.max(0.0)).collect();
    assert_eq!(bytemuck::pod_collect_to_vec::<u8, f32>(&output), expected, "{}", row.name);
    (output, gpu)
}

/// Its value is not used, so that no other check would find it.
#[test]
fn an_access_out_of_bounds_is_found_by_its_binding() {
    let adapter = adapter!();
    for (row, checked, expected) in
        [(&WITHIN, true, &[][..]), (&OUTSIDE, true, &["input"][..]), (&OUTSIDE, false, &[][..])]
    {
        let options = Options { checked, ..Options::default() };
        let (_, mut gpu) = run(&adapter, row, &options);
        assert_eq!(gpu.out_of_bounds().unwrap(), expected, "{}, {checked}", row.name);
    }
}

#[test]
fn the_drivers_checks_change_no_bit() {
    let adapter = adapter!();
    let robust = adapter.clone().with_robust_buffers();
    let [without, with] = [adapter, robust].map(|adapter| run(&adapter, &WITHIN, &Options::default()).0);
    assert_eq!(without, with);
}

/// Where the API has caches of pipelines, and the driver fills them or not.
#[test]
fn pipelines_are_kept_in_a_file_and_a_damaged_one_is_replaced() {
    let adapter = adapter!();
    let folder = tempfile::tempdir().unwrap();
    let pipelines = folder.path().join("new").join("pipelines");
    let options = Options { pipelines: Some(pipelines.clone()), ..Options::default() };
    let files = || -> Vec<_> {
        fs::read_dir(&pipelines).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
    };
    run(&adapter, &WITHIN, &options);
    let [file] = &files()[..] else { panic!("{:?}", files()) };
    let (data, written) = (fs::read(file).unwrap(), fs::metadata(file).unwrap().modified().unwrap());
    run(&adapter, &WITHIN, &options);
    assert_eq!(fs::metadata(file).unwrap().modified().unwrap(), written, "nothing new, nothing written");
    fs::write(file, &data[..data.len() / 2]).unwrap();
    run(&adapter, &WITHIN, &options);
    assert_eq!(fs::read(file).unwrap().len(), data.len());
    // A file in the place of the folder: the pipelines are only compiled again.
    let options = Options { pipelines: Some(file.join("pipelines")), ..Options::default() };
    run(&adapter, &WITHIN, &options);
}
