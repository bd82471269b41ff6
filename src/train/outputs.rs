//! The outputs of single operations of an evaluation.

use super::{error::TrainError, session::Session};
use crate::{
    data::Batch,
    ops::{Control, Op},
    program::{Pass, Tensor, TensorId},
};

impl Session {
    /// Evaluates a batch, and calls `visit` with each output of the operations that `wanted` selects, in the order of the program: its
    /// tensor, and its contents, padding images included.
    ///
    /// # Errors
    /// [`TrainError::Executor`].
    pub fn outputs(
        &mut self,
        batch: &Batch,
        wanted: impl Fn(&Op) -> bool,
        mut visit: impl FnMut(&Tensor, &[u8]),
    ) -> Result<(), TrainError> {
        self.upload_batch(batch, Control::default())?;
        let executor = self.executor_mut();
        let pass = executor.program().pass(Pass::Evaluate);
        let mut next = pass.start;
        for (output, last) in outputs(&executor.program().steps[pass.clone()], wanted) {
            // The output is complete after its last slice, and not overwritten yet.
            let last = pass.start + last;
            executor.queue(next..last + 1)?;
            next = last + 1;
            let contents = executor.read(output)?;
            visit(executor.program().tensor(output), &contents);
        }
        Ok(executor.queue(next..pass.end)?)
    }
}

/// The outputs of the selected steps, with the index of the last step that writes each.
fn outputs(steps: &[crate::program::Step], wanted: impl Fn(&Op) -> bool) -> Vec<(TensorId, usize)> {
    let mut found: Vec<(TensorId, usize)> = Vec::new();
    for (index, step) in steps.iter().enumerate().filter(|(_, step)| wanted(step.op.plain())) {
        let operands = step.op.operands();
        let at = operands.iter().position(|operand| ["output", "logits"].contains(&operand.name));
        let output = step.args[at.expect("an operation with an output")].tensor;
        match found.last_mut().filter(|(before, _)| *before == output) {
            Some((_, last)) => *last = index,
            None => found.push((output, index)),
        }
    }
    found
}
