//! The plan of a program on an adapter, complete before any device exists.

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;

use super::{
    adapter::{Adapter, AdapterLimits, DeviceInfo, DeviceKind},
    error::{OpenError, size},
};
use crate::{
    kernels::{Caps, Dispatch, Kernel, Variant, Workspace},
    ops::{Access, Op, Operand},
    program::{MemoryPlan, Program, Step, View},
    shader::{Interface, Source},
};

/// Sizes and offsets of copies and bindings are multiples of this.
pub(super) const WORD: u64 = 4;

/// Picks the row that computes an operation on a device, or explains why there is none.
pub type Choose<'a> = &'a dyn Fn(&Op, &Caps) -> Result<&'static Variant, String>;

/// A buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Index in [`MemoryPlan::slots`].
    Slot(usize),
    /// Index in [`Blueprint::workspaces`].
    Workspace(usize),
}

/// A part of a buffer that a dispatch binds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    pub binding: u32,
    pub place: Place,
    pub offset: u64,
    pub bytes: u64,
}

/// One dispatch with its shader and bindings.
#[derive(Debug)]
pub(super) struct PlannedDispatch {
    /// As `conv.grad_weight/tiled_64x64.merge`.
    pub kernel: String,
    /// Index in [`Blueprint::shaders`].
    pub shader: usize,
    pub bound: Vec<Bound>,
    pub workgroups: [u32; 2],
}

#[derive(Debug)]
pub(super) struct PlannedStep {
    pub label: String,
    /// As `conv.grad_weight/tiled_64x64`.
    pub kernel: String,
    pub dispatches: Vec<PlannedDispatch>,
}

/// A shader, shared by all dispatches with the same source.
#[derive(Debug)]
pub(super) struct Shader {
    /// As `conv.grad_weight/lanes.partials`.
    pub label: String,
    pub wgsl: String,
    pub interface: Interface,
}

/// Everything needed to open a device and to build the buffers and pipelines.
#[derive(Debug)]
pub(super) struct Blueprint {
    pub plan: MemoryPlan,
    pub shaders: Vec<Shader>,
    pub steps: Vec<PlannedStep>,
    /// The scratch buffers, each sized for the kernel that needs the most of it.
    pub workspaces: Vec<Workspace>,
    /// The lowest limits that the program runs with.
    pub limits: AdapterLimits,
    /// Whether shaders use 16-bit floats.
    pub f16: bool,
    /// Whether shaders use cooperative matrices.
    pub cooperative_matrices: bool,
}

impl Blueprint {
    /// Chooses kernels, reads their shaders and checks them and the program against the adapter. With `marking` the kernels
    /// mark the bindings that they access out of bounds.
    pub fn new(
        program: &Program,
        adapter: &Adapter,
        marking: bool,
        choose: Choose,
    ) -> Result<Self, OpenError> {
        let mut drafter = Drafter {
            program,
            info: adapter.info(),
            plan: MemoryPlan::new(program),
            shaders: Vec::new(),
            index: HashMap::new(),
            needs: Needs::default(),
            workspaces: Vec::new(),
        };
        drafter.buffers();
        let caps = adapter.caps();
        let mut kernels = Vec::new();
        for step in &program.steps {
            let variant = choose(&step.op, &caps)
                .map_err(|message| OpenError::Select { step: step.label.clone(), message })?;
            let kernel = variant.build(&step.op, &caps);
            kernels.push((step, variant, if marking { kernel.marking() } else { kernel }));
        }
        read_in_parallel(kernels.iter().flat_map(|(.., kernel)| &kernel.dispatches));
        let steps = kernels.iter().map(|(step, variant, kernel)| drafter.step(step, variant, kernel));
        let steps = steps.collect::<Result<_, _>>()?;
        drafter.memory();
        let Drafter { plan, shaders, needs, workspaces, info, .. } = drafter;
        if needs.problems.is_empty() {
            let f16 = shaders.iter().any(|shader| shader.interface.f16);
            let cooperative_matrices = shaders.iter().any(|shader| shader.interface.cooperative_matrices);
            Ok(Self {
                plan,
                shaders,
                steps,
                workspaces,
                limits: needs.limits(&info.limits),
                f16,
                cooperative_matrices,
            })
        } else {
            Err(OpenError::DoesNotFit { adapter: info.to_string(), problems: needs.problems })
        }
    }
}

/// Reads the shaders of all dispatches; [`Drafter::shader`] finds those that it asks for read, and reports the errors of the others.
fn read_in_parallel<'a>(dispatches: impl Iterator<Item = &'a Dispatch>) {
    let sources: HashSet<&Source> = dispatches.map(|dispatch| &dispatch.source).collect();
    sources.into_par_iter().for_each(|source| drop(source.reflect()));
}

/// The largest requirement of each kind so far, and whatever does not fit.
#[derive(Default)]
struct Needs {
    buffer_bytes: u64,
    binding_bytes: u64,
    storage_buffers: u32,
    workgroup_bytes: u32,
    workgroup_invocations: u32,
    workgroup_size: [u32; 3],
    problems: Vec<String>,
}

impl Needs {
    fn limits(&self, adapter: &AdapterLimits) -> AdapterLimits {
        AdapterLimits {
            buffer_bytes: self.buffer_bytes,
            binding_bytes: self.binding_bytes,
            storage_buffers: self.storage_buffers,
            workgroup_bytes: self.workgroup_bytes,
            workgroup_invocations: self.workgroup_invocations,
            workgroup_size: self.workgroup_size,
            ..*adapter
        }
    }

    fn problem(&mut self, text: String) {
        if !self.problems.contains(&text) {
            self.problems.push(text);
        }
    }
}

struct Drafter<'a> {
    program: &'a Program,
    info: &'a DeviceInfo,
    plan: MemoryPlan,
    shaders: Vec<Shader>,
    index: HashMap<Source, usize>,
    needs: Needs,
    workspaces: Vec<Workspace>,
}

impl Drafter<'_> {
    fn buffers(&mut self) {
        let limit = self.info.limits.buffer_bytes;
        for slot in &self.plan.slots {
            let bytes = padded(slot.bytes);
            self.needs.buffer_bytes = self.needs.buffer_bytes.max(bytes);
            let Some(&tensor) = slot.tensors.first().filter(|_| bytes > limit) else { continue };
            let tensor = self.program.tensor(tensor);
            self.needs.problem(format!(
                "{} {} {} needs a buffer of {}; this adapter allows {}",
                tensor.name,
                tensor.shape,
                tensor.dtype,
                size(bytes),
                size(limit)
            ));
        }
    }

    /// Only discrete GPUs report a hard limit: integrated and software adapters share the machine's memory, and what they
    /// report is not binding (llvmpipe says 2 GiB and allocates more).
    fn memory(&mut self) {
        let all = self.plan.bytes() + self.workspaces.iter().map(|w| w.bytes).sum::<u64>();
        let own = self.info.memory_bytes.filter(|_| self.info.kind == DeviceKind::Discrete);
        if let Some(memory) = own.filter(|&memory| all > memory) {
            let text = format!("it needs {} of memory; this adapter has {}", size(all), size(memory));
            self.needs.problem(text);
        }
    }

    fn step(&mut self, step: &Step, variant: &Variant, kernel: &Kernel) -> Result<PlannedStep, OpenError> {
        let name = format!("{}/{}", variant.op, variant.name);
        let limits = self.info.limits;
        for &workspace in &kernel.workspaces {
            let bytes = padded(workspace.bytes);
            if bytes > limits.buffer_bytes.min(limits.binding_bytes) {
                self.needs.problem(format!(
                    "{} needs a workspace of {} for {name}; this adapter allows {}",
                    step.label,
                    size(bytes),
                    size(limits.buffer_bytes.min(limits.binding_bytes))
                ));
            }
            self.needs.buffer_bytes = self.needs.buffer_bytes.max(bytes);
            Workspace { bytes, ..workspace }.join(&mut self.workspaces);
        }
        let operands = step.op.operands();
        let mut dispatches = Vec::new();
        for dispatch in &kernel.dispatches {
            let broken = |message| OpenError::Kernel {
                kernel: label(&name, dispatch),
                step: step.label.clone(),
                message,
            };
            let shader = self.shader(&name, dispatch).map_err(broken)?;
            let bound = self.bind(shader, step, &operands, kernel, dispatch).map_err(broken)?;
            self.check(shader, step, &bound);
            let Some(workgroups) = fold(dispatch.workgroups, limits.workgroups) else {
                self.needs.problem(format!("{} takes {} workgroups", step.label, dispatch.workgroups));
                continue;
            };
            dispatches.push(PlannedDispatch { kernel: label(&name, dispatch), shader, bound, workgroups });
        }
        Ok(PlannedStep { label: step.label.clone(), kernel: name, dispatches })
    }

    /// The index of a dispatch's shader; equal sources are one shader.
    fn shader(&mut self, kernel: &str, dispatch: &Dispatch) -> Result<usize, String> {
        if let Some(&index) = self.index.get(&dispatch.source) {
            return Ok(index);
        }
        let interface = dispatch.source.reflect().map_err(|error| error.to_string())?;
        if let Some(other) = interface.bindings.iter().find(|b| b.group != 0) {
            return Err(format!(
                "binding `{}` is in group {}; kernels use group 0 only",
                other.name, other.group
            ));
        }
        let index = self.shaders.len();
        self.index.insert(dispatch.source.clone(), index);
        let wgsl = dispatch.source.assemble();
        self.shaders.push(Shader { label: label(kernel, dispatch), wgsl, interface });
        Ok(index)
    }

    /// Binds by name.
    fn bind(
        &self,
        shader: usize,
        step: &Step,
        operands: &[Operand],
        kernel: &Kernel,
        dispatch: &Dispatch,
    ) -> Result<Vec<Bound>, String> {
        let mut bound: Vec<(Bound, bool)> = Vec::new();
        for b in &self.shaders[shader].interface.bindings {
            let name = dispatch.bound(&b.name);
            let (place, mut offset, mut bytes) = if let Some(own) =
                kernel.workspaces.iter().find(|w| w.name == name)
            {
                let place = self.workspaces.iter().position(|w| w.name == name).expect("entered by `step`");
                (Place::Workspace(place), 0, padded(own.bytes))
            } else {
                let Some(position) = operands.iter().position(|o| o.name == name) else {
                    let operands = operands.iter().map(|o| o.name);
                    let names: Vec<&str> = operands.chain(kernel.workspaces.iter().map(|w| w.name)).collect();
                    return Err(format!("it binds `{name}`; the operation has {}", names.join(", ")));
                };
                if b.writable && operands[position].access == Access::Read {
                    return Err(format!(
                        "it binds `{}` for writing, but the operation only reads it",
                        b.name
                    ));
                }
                let (offset, bytes) = self.range(step.args[position]);
                (Place::Slot(self.plan.slot_of[step.args[position].tensor.0]), offset, bytes)
            };
            if let Some(part) = dispatch.parts.iter().find(|part| part.name == name) {
                if part.offset_bytes + part.bytes > bytes {
                    let end = part.offset_bytes + part.bytes;
                    return Err(format!("it binds `{name}` up to byte {end}; there are {bytes}"));
                }
                (offset, bytes) = (offset + part.offset_bytes, padded(part.bytes));
            }
            if let Some((other, _)) = bound.iter().find(|(o, w)| o.place == place && (*w || b.writable)) {
                return Err(format!(
                    "bindings {} and {} are parts of one buffer, and one of them is written",
                    other.binding, b.binding
                ));
            }
            bound.push((Bound { binding: b.binding, place, offset, bytes }, b.writable));
        }
        Ok(bound.into_iter().map(|(b, _)| b).collect())
    }

    /// The offset and the bound size of a view, in bytes.
    fn range(&self, view: View) -> (u64, u64) {
        let element = self.program.tensor(view.tensor).dtype.bytes() as u64;
        (view.offset as u64 * element, padded(view.len as u64 * element))
    }

    fn check(&mut self, shader: usize, step: &Step, bound: &[Bound]) {
        let limits = &self.info.limits;
        let Shader { label, interface, .. } = &self.shaders[shader];
        let mut problems = Vec::new();
        let mut at_most = |what: &str, needed: u64, limit: u64, show: fn(u64) -> String| {
            if needed > limit {
                let (needed, limit) = (show(needed), show(limit));
                problems.push(format!("{label} needs {what} {needed}; this adapter allows {limit}"));
            }
        };
        let count = bound.len() as u32;
        let invocations = interface.workgroup_size.iter().product::<u32>();
        at_most("storage buffers:", count.into(), limits.storage_buffers.into(), |n| n.to_string());
        at_most("workgroup memory:", interface.workgroup_bytes.into(), limits.workgroup_bytes.into(), size);
        at_most(
            "invocations in a workgroup:",
            invocations.into(),
            limits.workgroup_invocations.into(),
            |n| n.to_string(),
        );
        for (axis, name) in ["x", "y", "z"].iter().enumerate() {
            let (needed, limit) = (interface.workgroup_size[axis], limits.workgroup_size[axis]);
            let what = format!("invocations along {name} of a workgroup:");
            at_most(&what, needed.into(), limit.into(), |n| n.to_string());
        }
        for b in bound {
            let Place::Slot(slot) = b.place else { continue };
            let names = || {
                let view = step.args.iter().find(|v| self.plan.slot_of[v.tensor.0] == slot);
                view.map_or("", |v| self.program.tensor(v.tensor).name.as_str())
            };
            if b.bytes > limits.binding_bytes {
                problems.push(format!(
                    "{} binds {} of {}; this adapter allows {}",
                    step.label,
                    size(b.bytes),
                    names(),
                    size(limits.binding_bytes)
                ));
            }
            if b.offset % u64::from(limits.offset_alignment) != 0 {
                problems.push(format!(
                    "{} binds {} from byte {}; this adapter takes multiples of {}",
                    step.label,
                    names(),
                    b.offset,
                    limits.offset_alignment
                ));
            }
        }
        let needs = &mut self.needs;
        needs.storage_buffers = needs.storage_buffers.max(count);
        needs.workgroup_bytes = needs.workgroup_bytes.max(interface.workgroup_bytes);
        needs.workgroup_invocations = needs.workgroup_invocations.max(invocations);
        for axis in 0..3 {
            needs.workgroup_size[axis] = needs.workgroup_size[axis].max(interface.workgroup_size[axis]);
        }
        let largest = bound.iter().map(|b| b.bytes).max().unwrap_or(0);
        needs.binding_bytes = needs.binding_bytes.max(largest);
        for problem in problems {
            needs.problem(problem);
        }
    }
}

fn label(kernel: &str, dispatch: &Dispatch) -> String {
    if dispatch.label.is_empty() { kernel.to_owned() } else { format!("{kernel}.{}", dispatch.label) }
}

/// A size rounded up to what copies and bindings require.
pub(super) fn padded(bytes: u64) -> u64 {
    bytes.max(1).next_multiple_of(WORD)
}

/// Folds a number of workgroups into a two-dimensional grid with as few surplus workgroups as possible; `None` if they
/// do not fit.
pub(super) fn fold(workgroups: u64, limit: u32) -> Option<[u32; 2]> {
    let limit = u64::from(limit.max(1));
    let y = workgroups.div_ceil(limit).max(1);
    let x = workgroups.div_ceil(y);
    (y <= limit).then_some([x as u32, y as u32])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_fold_evenly_and_cover_everything() {
        for count in [0, 1, 65_535, 65_536, 65_537, 131_070, 131_071, 12_345_678, 65_535 * 65_535] {
            let [x, y] = fold(count, 65_535).unwrap().map(u64::from);
            assert!(x <= 65_535 && y <= 65_535);
            assert!(x * y >= count && x * y - count < y.max(1), "{count}: {x} x {y}");
        }
        assert_eq!(fold(65_536, 65_535), Some([32_768, 2]));
        assert_eq!(fold(65_535 * 65_535 + 1, 65_535), None);
    }

    #[test]
    fn sizes_are_padded_to_words() {
        assert_eq!([0, 1, 4, 5].map(padded), [4, 4, 4, 8]);
    }
}
