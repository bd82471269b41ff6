//! Training steps for measurements: those of a run, but without its files.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use super::{
    config::TrainConfig, control::Place, error::TrainError, loaders::loaders, schedule::Schedule,
    session::Session,
};
use crate::{
    data::{Batches, DataSets, Loader},
    program::{Executor, Pass, Phase, Program, Timed},
};

/// The parts of a training step, in order.
pub const PHASES: [Phase; 3] = [Phase::Forward, Phase::Backward, Phase::Update];

/// Runs the training steps of a run in sequence, with its weights, batches and order, but writes no files.
pub struct Measure {
    session: Session,
    config: TrainConfig,
    schedule: Schedule,
    loader: Loader,
    batches: Batches,
    /// The time that earlier epochs waited for batches.
    waited: Duration,
    epoch: u32,
    /// Batches taken from the epoch.
    batch: usize,
    step: u64,
}

impl Measure {
    /// The run of `config`, with its initial weights on the device.
    ///
    /// # Errors
    /// [`TrainError`] if the data or the batch do not fit, or the device fails.
    pub fn new(mut session: Session, config: TrainConfig, data: &DataSets) -> Result<Self, TrainError> {
        let [loader, _] = loaders(&config, data)?;
        session.initialize(config.seed)?;
        let schedule = Schedule::new(&config, config.steps_per_epoch(loader.batches_per_epoch()));
        let batches = loader.epoch(0, 0)?;
        Ok(Self {
            session,
            config,
            schedule,
            loader,
            batches,
            waited: Duration::ZERO,
            epoch: 0,
            batch: 0,
            step: 0,
        })
    }

    /// The program that runs.
    pub fn program(&self) -> &Program {
        self.session.executor().program()
    }

    /// The executor, for its kernels, memory and clock.
    pub fn executor(&self) -> &dyn Executor {
        self.session.executor()
    }

    /// The time that all steps so far have waited for batches.
    pub fn waited(&self) -> Duration {
        self.waited + self.batches.waited()
    }

    /// Queues the next training step, as a run does: waits only if too many are in flight.
    ///
    /// # Errors
    /// [`TrainError`].
    pub fn step(&mut self) -> Result<(), TrainError> {
        for place in self.next_step()? {
            self.upload(place)?;
            self.session.executor_mut().run(place.pass())?;
        }
        Ok(())
    }

    /// Waits until all steps are done.
    ///
    /// # Errors
    /// [`TrainError`].
    pub fn wait(&mut self) -> Result<(), TrainError> {
        Ok(self.session.executor_mut().wait()?)
    }

    /// Waits for the mean loss of the last step's images.
    ///
    /// # Errors
    /// [`TrainError`].
    pub fn loss(&mut self) -> Result<f64, TrainError> {
        self.session.batch_loss()
    }

    /// Runs the next training step and waits after each of its [`PHASES`]; returns the seconds of each.
    ///
    /// # Errors
    /// [`TrainError`].
    pub fn step_by_phase(&mut self) -> Result<[f64; 3], TrainError> {
        let mut seconds = [0.0; 3];
        for place in self.next_step()? {
            self.upload(place)?;
            self.wait()?;
            let mut parts: Vec<(Phase, Range<usize>)> = Vec::new();
            for index in self.program().pass(place.pass()) {
                let phase = self.program().steps[index].phase;
                match parts.last_mut().filter(|(last, _)| *last == phase) {
                    Some((_, part)) => part.end = index + 1,
                    None => parts.push((phase, index..index + 1)),
                }
            }
            for (phase, part) in parts {
                let begin = Instant::now();
                self.session.executor_mut().queue(part)?;
                self.wait()?;
                let place = PHASES.iter().position(|&p| p == phase).unwrap_or(0);
                seconds[place] += begin.elapsed().as_secs_f64();
            }
        }
        Ok(seconds)
    }

    /// Runs the next training step and times each dispatch of its last batch and of its update.
    ///
    /// # Errors
    /// [`TrainError`].
    pub fn step_timed(&mut self) -> Result<Vec<Timed>, TrainError> {
        let mut timed = Vec::new();
        for place in self.next_step()? {
            self.upload(place)?;
            let steps = self.program().pass(place.pass());
            match place.pass() {
                Pass::Train => timed = self.session.executor_mut().time(steps)?,
                _ => self.session.executor_mut().queue(steps)?,
            }
        }
        Ok(timed)
    }

    /// The places of the batches of the next step.
    fn next_step(&mut self) -> Result<Vec<Place>, TrainError> {
        let batches_per_epoch = self.loader.batches_per_epoch();
        if self.batch == batches_per_epoch {
            self.epoch += 1;
            self.batch = 0;
            self.waited += self.batches.waited();
            self.batches = self.loader.epoch(self.epoch, 0)?;
        }
        self.step += 1;
        Ok(Place::of_step(&self.config, self.epoch, self.batch, batches_per_epoch).collect())
    }

    /// Uploads the next batch of the epoch.
    fn upload(&mut self, place: Place) -> Result<(), TrainError> {
        let batch = self.batches.next().ok_or(TrainError::NoAnswer)??;
        let control = place.control(&self.config, &self.schedule, self.step);
        self.session.upload_batch(&batch, control)?;
        self.batches.recycle(batch);
        self.batch += 1;
        Ok(())
    }
}
