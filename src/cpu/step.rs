//! One step of a program: its arguments by name, and the operation's twin.

use super::{Scalar, Scratch, Sizes, Twin, buffer::Buffer};
use crate::{
    ops::{Kind, Op, Operands, Operation, Slices, Source, for_each_op},
    program::{Step, View},
};

/// The locations of a step's arguments, computed once.
pub(super) struct Bindings {
    /// The names of the operands, in order.
    names: Vec<&'static str>,
    /// The slot of each argument and its position among them, by slot.
    slots: Vec<(usize, usize)>,
}

impl Bindings {
    /// # Panics
    /// If a step binds one buffer twice.
    pub fn of(step: &Step, slot_of: &[usize]) -> Self {
        let names = step.op.operands().iter().map(|operand| operand.name).collect();
        let slots = step.args.iter().enumerate().map(|(at, view)| (slot_of[view.tensor.0], at));
        let mut slots: Vec<_> = slots.collect();
        slots.sort_unstable();
        assert!(slots.windows(2).all(|p| p[0].0 != p[1].0), "{} binds one buffer twice", step.label);
        Self { names, slots }
    }

    /// The arguments in the order of the operands.
    fn arguments<'a, S>(&self, views: &[View], buffers: &'a mut [Buffer<S>]) -> Arguments<'a, '_, S> {
        let mut found: Vec<_> = views.iter().map(|_| None).collect();
        let (mut rest, mut first) = (buffers, 0);
        for &(slot, at) in &self.slots {
            let (buffer, after) = rest[slot - first..].split_first_mut().expect("a slot of the plan");
            found[at] = Some((buffer, views[at]));
            (rest, first) = (after, slot + 1);
        }
        Arguments { names: self.names.iter(), found: found.into_iter() }
    }
}

/// The arguments of a step, each a view of a different buffer.
struct Arguments<'a, 'n, S> {
    names: std::slice::Iter<'n, &'static str>,
    found: std::vec::IntoIter<Option<(&'a mut Buffer<S>, View)>>,
}

impl<'a, S: Scalar> Source<Slices<'a, S>> for Arguments<'a, '_, S> {
    fn has(&self, name: &'static str) -> bool {
        self.names.as_slice().first() == Some(&name)
    }

    fn take<K: Kind>(&mut self, _: &'static str) -> K::Slice<'a, S> {
        self.names.next();
        let (buffer, view) = self.found.next().flatten().expect("the program was validated");
        K::slice(buffer.view(view.offset, view.len))
    }
}

fn run<O: Twin, S: Scalar>(op: &O, mut arguments: Arguments<'_, '_, S>, scratch: &mut Scratch<S>) {
    op.run(<O as Operation>::Operands::fill(&mut arguments), scratch);
}

macro_rules! walk {
    ($($op:ident,)*) => {
        /// The scratch memory of an operation.
        pub(super) fn sizes<S: Scalar>(op: &Op) -> Sizes {
            match op.plain() {
                $(Op::$op(op) => op.scratch::<S>(),)*
                Op::Half(_) => unreachable!("a plain operation"),
            }
        }

        pub(super) fn execute<S: Scalar>(
            step: &Step,
            bindings: &Bindings,
            buffers: &mut [Buffer<S>],
            scratch: &mut Scratch<S>,
        ) {
            let arguments = bindings.arguments(&step.args, buffers);
            match step.op.plain() {
                $(Op::$op(op) => run(op, arguments, scratch),)*
                Op::Half(_) => unreachable!("a plain operation"),
            }
        }
    };
}
for_each_op!(walk);
