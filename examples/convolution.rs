//! One 3x3 convolution with bias on the first GPU, checked against the CPU in f64.
//!
//! `cargo run --release --example convolution`

use std::error::Error;

use vgg_wgpu::{
    cpu::CpuExecutor,
    gpu::{self, GpuExecutor, Options},
    ops::{Conv, ConvForward},
    program::{Executor, Pass, Program},
};

/// Sixteen images of 28x28 pixels and 32 channels to 64 channels.
const CONV: Conv = Conv { n: 16, h: 28, w: 28, c: 32, k: 64 };

fn run(executor: &mut dyn Executor, inputs: &[(&str, Vec<f32>)]) -> Result<Vec<f32>, Box<dyn Error>> {
    for (name, values) in inputs {
        let tensor = executor.program().find(name).ok_or("no such operand")?;
        executor.upload(tensor, bytemuck::cast_slice(values))?;
    }
    executor.run(Pass::Train)?;
    let output = executor.program().find("output").ok_or("no output")?;
    Ok(bytemuck::pod_collect_to_vec(&executor.read(output)?))
}

fn main() -> Result<(), Box<dyn Error>> {
    let adapter = gpu::adapters().into_iter().next().ok_or("no Vulkan, Metal or DX12 adapter was found")?;
    // Operands are [N, H, W, C], [3, 3, C, K] and [K].
    let program = Program::single(ConvForward::plain(CONV).into());
    let values = |count: usize| (0..count).map(|i| (i as f32 * 0.37).sin()).collect::<Vec<f32>>();
    let Conv { n, h, w, c, k } = CONV;
    let inputs = [("input", values(n * h * w * c)), ("weight", values(9 * c * k)), ("bias", values(k))];

    let mut gpu = GpuExecutor::open(&adapter, program.clone(), &Options::default())?;
    let found = run(&mut gpu, &inputs)?;
    let expected = run(&mut CpuExecutor::<f64>::new(program), &inputs)?;

    // NaN is the largest.
    let error = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).max_by(f32::total_cmp);
    println!("{} by {}", adapter.info(), gpu.kernel(0));
    println!("output [{n}, {h}, {w}, {k}], largest difference from f64 {:.1e}", error.ok_or("no output")?);
    Ok(())
}
