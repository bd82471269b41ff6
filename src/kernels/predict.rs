//! A model of the time that a training takes on a GPU that is not at hand: work, traffic and waves of workgroups, at a rate for each
//! class of kernel. It has never been compared with a measurement.

use super::{Caps, DeviceClass, Dispatch, MatrixUnits, SelectError, cooperative, select};
use crate::{
    ops::{Access, Op, Operand},
    shader::Source,
};

/// A GPU, by its maker's figures.
#[derive(Clone, Debug, PartialEq)]
pub struct GpuModel {
    /// As `h200`.
    pub word: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its multiprocessors, compute units, Xe cores or cores.
    pub cores: u32,
    /// Cycles a second.
    pub clock_hz: f64,
    /// f32 operations a second; a multiply-add is two.
    pub flops_per_second: f64,
    /// f16 operations a second of its matrix units with f32 sums, dense.
    pub matrix_flops_per_second: f64,
    /// Bytes a second to and from memory.
    pub bytes_per_second: f64,
    /// The part of `flops_per_second` that f32 products through workgroup memory reach.
    pub product_share: f64,
    class: DeviceClass,
    matrix_units: Option<MatrixUnits>,
    workgroup_bytes: u32,
}

/// The part of the memory's rate that a copy reaches: 75 to 80 % is what such copies are known to reach, of GDDR and HBM alike.
const MEMORY_SHARE: f64 = 0.76;

/// Instructions of the cooperative rows' loop for [`LOOP_FLOPS`] on NVIDIA (assets/isa/ampere.tsv): forward and in Winograd's products,
/// and the mean of the gradients.
const LOOP_INSTRUCTIONS: [f64; 2] = [380.0, 883.0];

/// 32 products of 16 x 16 x 16.
const LOOP_FLOPS: f64 = 32.0 * 2.0 * 4096.0;

/// Instructions that the schedulers of a core start in a cycle, and the part of cycles in which they start one: assumed.
const ISSUED: f64 = 4.0 * 0.44;

/// The part of the matrix units' rate that a loop reaches which is not bound by its other instructions: assumed.
const MATRIX_SHARE: f64 = 0.8;

/// Seconds between two dispatches of which one waits for the other: usual values are 1 to 4 microseconds.
const BETWEEN_DISPATCHES: f64 = 2e-6;

/// Workgroups of a product that a core runs at once: with 128 registers, 512 invocations of the 65,536 registers of a core.
const RESIDENT: f64 = 2.0;

const NVIDIA_UNITS: Option<MatrixUnits> = Some(MatrixUnits { side: 16, subgroup: 32 });

impl GpuModel {
    /// The GPUs that can be predicted.
    ///
    /// # Source
    /// The makers' data sheets: NVIDIA H200 SXM and RTX 4070 (boost clock), AMD RX 7900 XTX (two f32 operations in each lane and cycle, which
    /// compilers reach in part: hence its share), Intel Arc A770, Apple M2 Max (38 cores). The shares of NVIDIA and AMD are the
    /// multiply-adds among the instructions of the product loops (assets/isa), times 0.75 for waits; those of Intel and Apple, for which
    /// there are no counts of loops, are assumed.
    pub const ALL: [Self; 5] = [
        Self {
            word: "h200",
            name: "NVIDIA H200",
            cores: 132,
            clock_hz: 1.98e9,
            flops_per_second: 67e12,
            matrix_flops_per_second: 990e12,
            bytes_per_second: 4.8e12,
            product_share: 0.52,
            class: DeviceClass::Discrete,
            matrix_units: NVIDIA_UNITS,
            workgroup_bytes: 48 << 10,
        },
        Self {
            word: "rtx4070",
            name: "NVIDIA GeForce RTX 4070",
            cores: 46,
            clock_hz: 2.475e9,
            flops_per_second: 29.1e12,
            matrix_flops_per_second: 58.3e12,
            bytes_per_second: 504e9,
            product_share: 0.52,
            class: DeviceClass::Discrete,
            matrix_units: NVIDIA_UNITS,
            workgroup_bytes: 48 << 10,
        },
        Self {
            word: "rx7900xtx",
            name: "AMD Radeon RX 7900 XTX",
            cores: 96,
            clock_hz: 2.5e9,
            flops_per_second: 61.4e12,
            matrix_flops_per_second: 122.8e12,
            bytes_per_second: 960e9,
            product_share: 0.40,
            class: DeviceClass::Discrete,
            matrix_units: Some(MatrixUnits { side: 16, subgroup: 64 }),
            workgroup_bytes: 64 << 10,
        },
        Self {
            word: "a770",
            name: "Intel Arc A770",
            cores: 32,
            clock_hz: 2.1e9,
            flops_per_second: 17.2e12,
            matrix_flops_per_second: 0.0,
            bytes_per_second: 560e9,
            product_share: 0.50,
            class: DeviceClass::Discrete,
            matrix_units: None,
            workgroup_bytes: 64 << 10,
        },
        Self {
            word: "m2max",
            name: "Apple M2 Max",
            cores: 38,
            clock_hz: 1.4e9,
            flops_per_second: 13.6e12,
            matrix_flops_per_second: 13.6e12,
            bytes_per_second: 400e9,
            product_share: 0.55,
            class: DeviceClass::Integrated,
            matrix_units: Some(MatrixUnits { side: 8, subgroup: 32 }),
            workgroup_bytes: 32 << 10,
        },
    ];

    /// The capabilities on which the choice of kernels depends.
    pub fn caps(&self) -> Caps {
        let Self { class, matrix_units, workgroup_bytes, .. } = *self;
        Caps { class, matrix_units, workgroup_bytes, ..Caps::DISCRETE }
    }

    /// Operations a second of the cooperative rows: bound by the matrix units or by the other instructions of their loop.
    fn matrix_rate(&self, loop_instructions: f64) -> f64 {
        let issued = ISSUED * self.clock_hz * f64::from(self.cores);
        (MATRIX_SHARE * self.matrix_flops_per_second).min(issued * LOOP_FLOPS / loop_instructions)
    }

    /// How much longer these workgroups of a product take than if the last wave were full, as it takes as long as a full one.
    fn idle(&self, workgroups: u64) -> f64 {
        let waves = workgroups as f64 / (RESIDENT * f64::from(self.cores));
        waves.ceil() / waves
    }

    /// The predicted time of an operation, with the kernel that is expected to be the fastest, or a forced one, as [`select`] takes them.
    ///
    /// # Errors
    /// [`SelectError`] if no kernel can compute it.
    ///
    /// # Panics
    /// If a shader cannot be read: a bug of this crate.
    pub fn predict(&self, op: &Op, forced: &[(String, String)]) -> Result<Prediction, SelectError> {
        let caps = self.caps();
        let row = select(op, &caps, forced)?;
        let kernel = row.build(op, &caps);
        let operands = op.operands();
        let has_products = kernel.dispatches.iter().any(|dispatch| product(&dispatch.source, 1).is_some());
        let mut prediction =
            Prediction { kernel: row.name, seconds: 0.0, arithmetic: 0.0, memory: 0.0, dispatches: 0 };
        for (index, dispatch) in kernel.dispatches.iter().enumerate() {
            let interface = dispatch.source.reflect().expect("shaders can be read");
            let sizes = interface.bindings.iter().map(|binding| {
                let name = dispatch.bound(&binding.name);
                bytes_of(dispatch, name, &operands, |name| {
                    kernel.workspaces.iter().find(|workspace| workspace.name == name).map(|found| found.bytes)
                })
            });
            let memory = sizes.sum::<f64>() / (MEMORY_SHARE * self.bytes_per_second);
            let tile = if interface.cooperative_matrices { cooperative::tile(&caps) } else { 1 };
            let (flops, idle) = match product(&dispatch.source, tile) {
                Some(flops) => (flops, self.idle(dispatch.workgroups)),
                // Its arithmetic is the operation's.
                None if !has_products && index == 0 => (op.flops() as f64, 1.0),
                None => (0.0, 1.0),
            };
            // Those of Winograd have no prologue.
            let prologue = op.name().contains("grad") && dispatch.source.value("BATCHES") == Some(1);
            let rate = match interface.cooperative_matrices {
                true => self.matrix_rate(LOOP_INSTRUCTIONS[usize::from(prologue)]),
                false => self.product_share * self.flops_per_second,
            };
            let arithmetic = idle * flops / rate;
            prediction.arithmetic += arithmetic;
            prediction.memory += memory;
            prediction.seconds += arithmetic.max(memory) + BETWEEN_DISPATCHES;
            prediction.dispatches += 1;
        }
        Ok(prediction)
    }
}

/// The predicted time of an operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// The variant, as `winograd4`.
    pub kernel: &'static str,
    /// The time: of each dispatch the longer one of arithmetic and memory, and the time between two.
    pub seconds: f64,
    /// The time of all arithmetic.
    pub arithmetic: f64,
    /// The time of all traffic.
    pub memory: f64,
    /// The number of dispatches.
    pub dispatches: usize,
}

/// The operations of a dispatch that multiplies matrices, partial tiles counted whole; `None` for others. `tile` is the side of those
/// that have no `TILE_M` and `TILE_N`.
fn product(source: &Source, tile: usize) -> Option<f64> {
    let value = |name: &str| source.value(name);
    let [m, n, k] = [value("M")?, value("N")?, value("K")?];
    let whole =
        |extent: usize, side: &str| extent.next_multiple_of(value(side).unwrap_or(tile).max(1)) as f64;
    Some(2.0 * whole(m, "TILE_M") * whole(n, "TILE_N") * k as f64 * value("BATCHES").unwrap_or(1) as f64)
}

/// The traffic of a binding: its part, operand or workspace once, or twice if an operand is read and written.
fn bytes_of(
    dispatch: &Dispatch,
    name: &str,
    operands: &[Operand],
    workspace: impl Fn(&str) -> Option<u64>,
) -> f64 {
    let operand = operands.iter().find(|operand| operand.name == name);
    let times = if operand.is_some_and(|operand| operand.access == Access::ReadWrite) { 2.0 } else { 1.0 };
    let whole = || match operand {
        Some(operand) => operand.shape.elements() as u64 * operand.dtype.bytes() as u64,
        None => workspace(name).unwrap_or(0),
    };
    let part = dispatch.parts.iter().find(|part| part.name == name).map(|part| part.bytes);
    times * part.unwrap_or_else(whole) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Adam, Conv, ConvForward};

    #[test]
    fn products_are_bound_by_arithmetic_and_updates_by_memory() {
        let conv = Op::from(ConvForward::plain(Conv { n: 64, h: 28, w: 28, c: 512, k: 512 }));
        let update = Op::from(Adam { len: 1 << 24, ..Adam::DEFAULT });
        for gpu in GpuModel::ALL {
            let product = gpu.predict(&conv, &[]).unwrap();
            assert!(product.kernel.starts_with("winograd4"), "{product:?}");
            // Winograd's F(4x4, 3x3) does a quarter of the multiplications.
            let least = conv.flops() as f64 / 4.0 / gpu.flops_per_second;
            assert!(
                product.arithmetic >= least && product.seconds > product.arithmetic,
                "{gpu:?}: {product:?}"
            );
            assert!(product.seconds < 8.0 * least, "{gpu:?}: {product:?}");
            let adam = gpu.predict(&update, &[]).unwrap();
            // Parameter and moments are read and written, the gradient is read.
            let bytes = 7.0 * 4.0 * f64::from(1 << 24);
            assert!(adam.memory > adam.arithmetic, "{gpu:?}: {adam:?}");
            let expected = bytes / (MEMORY_SHARE * gpu.bytes_per_second);
            assert!((adam.memory / expected - 1.0).abs() < 1e-3, "{gpu:?}: {adam:?}, {expected}");
        }
    }

    /// The last wave costs as much as a whole one.
    #[test]
    fn work_comes_in_whole_waves() {
        for (workgroups, expected) in [(1, 264.0), (264, 1.0), (265, 528.0 / 265.0), (528, 1.0)] {
            let idle = GpuModel::ALL[0].idle(workgroups);
            assert!((idle / expected - 1.0).abs() < 1e-12, "{workgroups}: {idle}, not {expected}");
        }
    }
}
