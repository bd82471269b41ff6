//! Progress output, and TensorBoard's files, while a run trains.

use std::sync::atomic::AtomicBool;

use super::progress::Progress;
use crate::{
    export::TensorBoard,
    train::{Event, Observer, Outcome, Row, Session, TrainError, Trainer},
};

struct Observers<'a> {
    progress: Progress,
    board: Option<&'a mut TensorBoard>,
}

impl Observer for Observers<'_> {
    fn event(&mut self, event: &Event<'_>) {
        self.progress.event(event);
        if let Some(board) = &mut self.board {
            board.event(event);
        }
    }

    fn epoch_done(&mut self, row: &Row, session: &mut Session) -> Result<(), TrainError> {
        self.board.as_mut().map_or(Ok(()), |board| board.epoch_done(row, session))
    }
}

/// Trains to the end with progress output, and TensorBoard if requested.
pub(super) fn observe(
    trainer: &mut Trainer,
    stop: &AtomicBool,
    quiet: bool,
    board: Option<&mut TensorBoard>,
) -> Result<Outcome, TrainError> {
    let mut observers = Observers { progress: Progress::new(quiet), board };
    let outcome = trainer.run(stop, &mut observers);
    if let (Err(_), Some(board)) = (&outcome, observers.board) {
        board.fail();
    }
    outcome
}
