//! The outputs of single operations: of an evaluation, and the images of a training step.

use super::{error::TrainError, probe::stored, session::Session};
use crate::{
    data::Batch,
    ops::{Control, Op},
    program::{Pass, Step, Tensor, TensorId},
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

    /// The images of a training batch as the network sees them, resized, augmented and mixed, but not normalised: bytes `[N, H, W, C]`,
    /// and their height and width. Only prepares the batch: no parameter and no state changes.
    ///
    /// # Errors
    /// [`TrainError::Executor`].
    ///
    /// # Panics
    /// If the program is not one from [`lower`](crate::program::lower).
    pub fn prepared(&mut self, batch: &Batch) -> Result<(Vec<u8>, [usize; 2]), TrainError> {
        self.upload_batch(batch, Control::default())?;
        let [height, width] = self.network().config.image_size;
        let executor = self.executor_mut();
        let steps = &executor.program().steps;
        let prepares = |step: &&Step| matches!(step.op.plain(), Op::PrepareImages(_) | Op::MixImages(_));
        let count = steps.iter().take_while(prepares).count();
        let normalization = steps[..count].iter().find_map(|step| match step.op.plain() {
            Op::PrepareImages(op) => Some((op.mean.clone(), op.std.clone())),
            _ => None,
        });
        let (mean, std) = normalization.expect("a pass begins with the preparation of the images");
        let last = outputs(&steps[..count], |_| true).last().map(|(tensor, _)| *tensor);
        let tensor = last.expect("the first step has an output");
        executor.queue(0..count)?;
        let bytes = executor.read(tensor)?;
        let values = stored(executor.program().tensor(tensor).dtype, &bytes);
        let byte = |(value, channel): (f32, usize)| {
            (255.0 * (value * std[channel] + mean[channel])).round().clamp(0.0, 255.0) as u8
        };
        let channels = (0..mean.len()).cycle();
        Ok((values.into_iter().zip(channels).map(byte).collect(), [height, width]))
    }
}

/// The outputs of the selected steps, with the index of the last step that writes each.
fn outputs(steps: &[Step], wanted: impl Fn(&Op) -> bool) -> Vec<(TensorId, usize)> {
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
