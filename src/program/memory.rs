//! The plan for tensors to share memory.

use std::ops::RangeInclusive;

use super::{Program, Role, TensorId};
use crate::dtype::DType;

/// A buffer that is used by one tensor after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The size in bytes: that of its largest tensor.
    pub bytes: u64,
    /// The element type; tensors of different types never share.
    pub dtype: DType,
    /// The tensors that live there, in the order of planning.
    pub tensors: Vec<TensorId>,
}

/// The slot of each tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// The buffers.
    pub slots: Vec<Slot>,
    /// The slot of each tensor of the program.
    pub slot_of: Vec<usize>,
}

impl MemoryPlan {
    /// Assigns every persistent tensor its own slot and lets transient ones share if their live ranges do not overlap.
    ///
    /// Largest first, each into the smallest slot that is free for its whole life. A slot is one buffer, because
    /// a buffer bound both for reading and for writing in one dispatch is an error, and because a device orders
    /// the accesses of a buffer as a whole.
    pub fn new(program: &Program) -> Self {
        let lives = lives(program);
        let mut order: Vec<usize> = (0..program.tensors.len()).collect();
        order.sort_by_key(|&t| (std::cmp::Reverse(program.tensors[t].bytes()), t));
        let mut slots: Vec<(Slot, bool)> = Vec::new();
        let mut slot_of = vec![usize::MAX; program.tensors.len()];
        for t in order {
            let tensor = &program.tensors[t];
            let shares = tensor.role == Role::Transient;
            let free = |(slot, open): &(Slot, bool)| {
                *open
                    && slot.dtype == tensor.dtype
                    && slot.tensors.iter().all(|&other| !overlap(&lives[other.0], &lives[t]))
            };
            // Slots are in descending order of size, so the last free one is the smallest.
            let found = slots.iter().rposition(|slot| shares && free(slot));
            let slot = found.unwrap_or_else(|| {
                let slot = Slot { bytes: tensor.bytes(), dtype: tensor.dtype, tensors: Vec::new() };
                slots.push((slot, shares));
                slots.len() - 1
            });
            slots[slot].0.tensors.push(TensorId(t));
            slot_of[t] = slot;
        }
        Self { slots: slots.into_iter().map(|(slot, _)| slot).collect(), slot_of }
    }

    /// The bytes of all slots together.
    pub fn bytes(&self) -> u64 {
        self.slots.iter().map(|s| s.bytes).sum()
    }
}

fn overlap(a: &Option<RangeInclusive<usize>>, b: &Option<RangeInclusive<usize>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.start() <= b.end() && b.start() <= a.end(),
        _ => false,
    }
}

/// The live range of each tensor: from the first to the last step that uses it.
fn lives(program: &Program) -> Vec<Option<RangeInclusive<usize>>> {
    let mut lives: Vec<Option<RangeInclusive<usize>>> = vec![None; program.tensors.len()];
    for (index, step) in program.steps.iter().enumerate() {
        for view in &step.args {
            let life = &mut lives[view.tensor.0];
            let start = life.as_ref().map_or(index, |l| *l.start());
            *life = Some(start..=index);
        }
    }
    lives
}
