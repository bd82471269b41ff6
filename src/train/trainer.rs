//! The training loop.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use super::{
    checkpoint::{Checkpoint, Progress, Run},
    config::TrainConfig,
    control::Place,
    directory::RunDirectory,
    error::TrainError,
    event::{Event, Observer, StepEvent, Summary},
    loaders::loaders,
    metrics::{Row, Sums, best, stale_epochs},
    schedule::Schedule,
    session::{Readings, STEPS_PER_READING, Session},
    sparsity::Sparsity,
};
use crate::{
    data::{Batches, DataSets, Loader},
    ops::Rule,
    weights::{Contents, ModelInfo, Pretrained, write_file},
};

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It reached its last step.
    Finished(Summary),
    /// It was interrupted.
    Interrupted {
        /// The checkpoint to resume from.
        checkpoint: PathBuf,
    },
}

/// A run: a network on a device, the data, and the progress.
///
/// The configuration and [`Progress`] determine all numbers: on the same device a run resumed from its checkpoint equals
/// an uninterrupted one bit for bit.
pub struct Trainer {
    session: Session,
    config: TrainConfig,
    schedule: Schedule,
    sparsity: Sparsity,
    train: Loader,
    test: Loader,
    info: ModelInfo,
    directory: RunDirectory,
    progress: Progress,
    /// Optimiser steps in all.
    total: u64,
    /// Whether the parameters are not initialised yet.
    fresh: bool,
    /// The fraction of the running epoch's time spent waiting for batches.
    loading: f64,
}

impl Trainer {
    /// A run of the network in `session`, whose program was lowered with [`TrainConfig::settings`].
    ///
    /// # Errors
    /// [`TrainError`] if the data or the batch do not fit, or the run is too long.
    pub fn new(
        session: Session,
        config: TrainConfig,
        data: &DataSets,
        directory: RunDirectory,
    ) -> Result<Self, TrainError> {
        config.validate()?;
        let [train, test] = loaders(&config, data)?;
        let batches_per_epoch = train.batches_per_epoch() as u64;
        if u64::from(config.epochs) * batches_per_epoch > u64::from(u32::MAX) {
            return Err(TrainError::TooLong { epochs: config.epochs, batches_per_epoch });
        }
        let steps_per_epoch = config.steps_per_epoch(train.batches_per_epoch());
        Ok(Self {
            info: ModelInfo {
                resize_size: config.resize_size,
                ..ModelInfo::new(session.network(), &*data.train)
            },
            schedule: Schedule::new(&config, steps_per_epoch),
            sparsity: Sparsity::new(&config, steps_per_epoch),
            total: config.total_steps(train.batches_per_epoch()),
            progress: Progress { train_images: data.train.len(), ..Progress::default() },
            fresh: true,
            loading: 0.0,
            session,
            train,
            test,
            config,
            directory,
        })
    }

    /// Continues from a checkpoint; the configuration is [`TrainConfig::resumed_with`] of the checkpoint's.
    ///
    /// # Errors
    /// [`TrainError::Over`] if nothing is left to do, [`TrainError::OtherData`] if the training set has another size,
    /// [`TrainError::OtherImages`], [`TrainError::OtherOptimizer`], [`TrainError::Weights`] of another network,
    /// [`TrainError::OutOfPatience`] if the run was stopped early, [`TrainError::Executor`].
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), TrainError> {
        let progress = &checkpoint.progress;
        let (before, now) = (progress.train_images, self.progress.train_images);
        if before != now {
            return Err(TrainError::OtherData { before, now });
        }
        if checkpoint.weights.info != self.info {
            return Err(TrainError::OtherImages);
        }
        let [before, now] = [&checkpoint.config, &self.config].map(optimizer_state);
        if before != now {
            return Err(TrainError::OtherOptimizer { before, now });
        }
        self.refuse_if_over(progress, checkpoint)?;
        self.session.restore(checkpoint)?;
        self.progress = progress.clone();
        self.fresh = false;
        // From here on the run can also be resumed from the new directory.
        if self.directory.take_over(&self.config)? {
            self.write_checkpoint()?;
        }
        Ok(())
    }

    /// How to continue training from the checkpoint of a finished run.
    fn way_on(&self, checkpoint: &Checkpoint) -> String {
        let all = u64::from(self.config.epochs) * self.config.steps_per_epoch(self.train.batches_per_epoch());
        let limited = self.config.steps.is_some_and(|steps| steps <= all);
        if self.total < all {
            return "to continue, give a larger --steps with --resume".to_owned();
        }
        let Some(spread) = self.config.schedule_over_all_epochs() else {
            let steps = if limited { " and a larger --steps" } else { "" };
            return format!("to continue, give a larger --epochs{steps} with --resume");
        };
        let file =
            |name: &str| Path::new(checkpoint.weights.path()).with_file_name(name).display().to_string();
        format!(
            "its {spread} ends there and cannot be extended. To continue, start a new run from its weights: vgg train \
             --recipe {} --weights {} --epochs N{} --output-dir DIR",
            file("config.toml"),
            file("best.safetensors"),
            if limited { " --steps N" } else { "" },
        )
    }

    /// Refuses a run with nothing left to train. First writes any files still missing because the run was stopped after its
    /// last checkpoint.
    fn refuse_if_over(&self, progress: &Progress, checkpoint: &Checkpoint) -> Result<(), TrainError> {
        let (step, of) = (progress.step, self.total);
        let evaluated = progress.history.last().is_some_and(|row| row.step == step);
        let stale = stale_epochs(&progress.history);
        let error = if step > of || (step == of && evaluated) {
            TrainError::Over { step, of, way_on: self.way_on(checkpoint) }
        } else if evaluated && self.out_of_patience(stale) {
            TrainError::OutOfPatience { epoch: progress.epoch, stale }
        } else {
            return Ok(());
        };
        if self.directory.contains_run() {
            let Progress { history, steps, .. } = progress;
            self.directory.write_history(&self.title(), history, steps, self.config.judged_on())?;
        }
        Err(error)
    }

    /// Starts from these weights, and for parameters that they lack, or with `from_scratch` for all, from the seed.
    ///
    /// # Errors
    /// As [`Session::begin_with`].
    pub fn begin_with(&mut self, pretrained: &Pretrained) -> Result<(), TrainError> {
        if !self.config.from_scratch {
            self.session.begin_with(pretrained, self.config.seed)?;
            self.fresh = false;
        }
        Ok(())
    }

    /// The network on the device, to evaluate it or to read its values after the run.
    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// The progress of the run.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The run directory.
    pub fn directory(&self) -> &RunDirectory {
        &self.directory
    }

    /// Trains to the end, or until `stop` is set, which is checked before every step.
    ///
    /// # Errors
    /// [`TrainError`]; the run directory then has the last good checkpoint.
    pub fn run(&mut self, stop: &AtomicBool, observer: &mut dyn Observer) -> Result<Outcome, TrainError> {
        let start = Start { at: Instant::now(), seconds: self.progress.seconds };
        if self.fresh {
            self.session.initialize(self.config.seed)?;
            self.fresh = false;
        }
        if self.progress.step == 0 {
            self.make_sparse()?;
        }
        self.schedule.observe(&self.progress.history);
        observer.event(&Event::Started {
            step: self.progress.step,
            of: self.total,
            epochs: self.config.epochs,
            judged_on: self.config.judged_on(),
            directory: self.directory.path(),
        });
        if !self.progress.history.is_empty() {
            self.write_history()?;
        }
        loop {
            let tested = match self.train_epoch(stop, observer)? {
                Pause::Stopped => None,
                Pause::Checkpoint => {
                    self.progress.seconds = start.seconds();
                    self.save(observer)?;
                    continue;
                }
                Pause::End => self
                    .session
                    .test(&self.test, stop, |batch, of| observer.event(&Event::Testing { batch, of }))?,
            };
            let Some(tested) = tested else {
                self.progress.seconds = start.seconds();
                let checkpoint = self.save(observer)?;
                observer.event(&Event::Interrupted(&checkpoint));
                return Ok(Outcome::Interrupted { checkpoint });
            };
            self.end_epoch(tested, &start, observer)?;
            if self.progress.step == self.total || self.out_of_patience(stale_epochs(&self.progress.history))
            {
                let summary = self.summary(&start);
                observer.event(&Event::Finished(&summary));
                return Ok(Outcome::Finished(summary));
            }
        }
    }

    fn out_of_patience(&self, stale: u32) -> bool {
        self.config.patience.is_some_and(|patience| stale >= patience)
    }

    /// Trains to the end of the running epoch or of the run, or to a pause before it.
    fn train_epoch(&mut self, stop: &AtomicBool, observer: &mut dyn Observer) -> Result<Pause, TrainError> {
        let batches_per_epoch = self.train.batches_per_epoch();
        let (start, before) = (Instant::now(), self.progress.epoch_seconds);
        let first = self.progress.batch;
        let (mut readings, mut requested) = (Readings::default(), VecDeque::new());
        readings.sums = self.progress.sums;
        self.session.set_metrics(self.progress.device)?;
        let mut batches = self.train.epoch(self.progress.epoch, first)?;
        let mut ended = Pause::End;
        while self.progress.step < self.total && self.progress.batch < batches_per_epoch {
            if stop.load(Ordering::Relaxed) {
                ended = Pause::Stopped;
                break;
            }
            if ended == Pause::Checkpoint {
                break;
            }
            let read = self.progress.batch / STEPS_PER_READING;
            self.step(&mut batches)?;
            let batch = self.progress.batch;
            if batch / STEPS_PER_READING > read || batch == batches_per_epoch {
                self.session.take_reading(&mut readings)?;
                requested.push_back(self.progress.step);
                self.record(&mut readings, &mut requested);
                self.finite("training loss", readings.sums.loss)?;
            }
            let seconds = before + start.elapsed().as_secs_f64();
            let known = readings.sums.images > 0;
            observer.event(&Event::Step(StepEvent {
                epoch: self.progress.epoch + 1,
                step: self.progress.step,
                of: self.total,
                loss: known.then(|| readings.sums.mean_loss()),
                accuracy: known.then(|| readings.sums.accuracy()),
                learning_rate: self.schedule.rate(self.progress.step),
                images_per_second: (self.progress.batch * self.config.batch_size) as f64 / seconds,
            }));
            let due = |every: u64| self.progress.step.is_multiple_of(every);
            if self.config.checkpoint_steps.is_some_and(due) {
                ended = Pause::Checkpoint;
            }
        }
        self.session.drain(&mut readings)?;
        self.record(&mut readings, &mut requested);
        self.loading = batches.waited().as_secs_f64() / start.elapsed().as_secs_f64();
        self.progress.device = self.session.metrics()?;
        let step = self.progress.step;
        self.progress.steps.set_rest(step, self.progress.device, self.schedule.rate(step));
        self.progress.sums = readings.sums;
        self.progress.epoch_seconds = before + start.elapsed().as_secs_f64();
        self.finite("training loss", readings.sums.loss + f64::from(self.progress.device[0]))?;
        // The checkpoint at the end of an epoch comes after its evaluation.
        let over = self.progress.step == self.total || self.progress.batch == batches_per_epoch;
        Ok(if over && ended == Pause::Checkpoint { Pause::End } else { ended })
    }

    /// Records the readings that have arrived, each with the step at which it was requested.
    fn record(&mut self, readings: &mut Readings, requested: &mut VecDeque<u64>) {
        for sums in readings.arrived.drain(..) {
            let step = requested.pop_front().expect("a reading arrives after its request");
            self.progress.steps.add(step, sums, self.schedule.rate(step));
        }
    }

    /// Trains one optimiser step.
    fn step(&mut self, batches: &mut Batches) -> Result<(), TrainError> {
        let step = self.progress.step + 1;
        let Progress { epoch, batch, .. } = self.progress;
        for place in Place::of_step(&self.config, epoch, batch, self.train.batches_per_epoch()) {
            let Some(batch) = batches.next().transpose()? else { break };
            let control = place.control(&self.config, &self.schedule, step);
            self.session.run_batch(&batch, place.pass(), control)?;
            batches.recycle(batch);
            self.progress.batch += 1;
        }
        self.progress.step = step;
        self.make_sparse()
    }

    /// Sets weights to zero if the schedule says so after this step.
    fn make_sparse(&mut self) -> Result<(), TrainError> {
        match self.sparsity.due(self.progress.step) {
            Some(share) => self.session.make_sparse(share),
            None => Ok(()),
        }
    }

    /// Records, writes and reports the epoch's metrics, and advances to the next epoch if this one is complete.
    fn end_epoch(
        &mut self,
        tested: Sums,
        start: &Start,
        observer: &mut dyn Observer,
    ) -> Result<(), TrainError> {
        self.finite(
            if self.config.val_fraction > 0.0 { "validation loss" } else { "test loss" },
            tested.loss,
        )?;
        let mut trained = self.progress.sums;
        trained.add(self.progress.device);
        self.progress.seconds = start.seconds();
        let row = Row {
            epoch: self.progress.epoch + 1,
            step: self.progress.step,
            train_loss: trained.mean_loss(),
            train_accuracy: trained.accuracy(),
            test_loss: tested.mean_loss(),
            test_accuracy: tested.accuracy(),
            learning_rate: self.schedule.rate(self.progress.step),
            images_per_second: trained.images as f64 / self.progress.epoch_seconds,
            seconds: self.progress.seconds,
            sparsity: self.sparsity.after(self.progress.step),
        };
        let layers = match self.test.epoch(0, 0)?.next() {
            Some(batch) => self.session.probe(&batch?, row.epoch)?,
            None => Vec::new(),
        };
        // Replaces the row of the same epoch cut short by an earlier `--steps`.
        self.progress.history.retain(|earlier| earlier.epoch != row.epoch);
        self.progress.history.push(row);
        let is_best = best(&self.progress.history) == Some(&row);
        self.schedule.observe(&self.progress.history);
        self.progress.layers.retain(|earlier| earlier.epoch != row.epoch);
        self.progress.layers.extend(layers);
        if self.progress.batch == self.train.batches_per_epoch() {
            self.progress.epoch += 1;
            self.progress.batch = 0;
            self.progress.sums = Sums::default();
            self.progress.device = [0.0; 4];
            self.progress.train_seconds += self.progress.epoch_seconds;
            self.progress.epoch_seconds = 0.0;
        }
        // The best weights first: if the run is killed in between, resuming it writes them again.
        if is_best {
            self.write(&self.directory.best(), false)?;
        }
        let checkpoint = self.write_checkpoint()?;
        self.write_history()?;
        observer.event(&Event::EpochDone { row: &row, best: is_best, loading: self.loading });
        observer.epoch_done(&row, &mut self.session)?;
        observer.event(&Event::Saved(&checkpoint));
        Ok(())
    }

    fn save(&mut self, observer: &mut dyn Observer) -> Result<PathBuf, TrainError> {
        let path = self.write_checkpoint()?;
        observer.event(&Event::Saved(&path));
        Ok(path)
    }

    fn write_checkpoint(&mut self) -> Result<PathBuf, TrainError> {
        let path = self.directory.checkpoint();
        self.write(&path, true)?;
        Ok(path)
    }

    /// Writes a checkpoint, or only the weights.
    fn write(&mut self, path: &Path, whole: bool) -> Result<(), TrainError> {
        let run = || Run { config: self.config.clone(), progress: self.progress.clone() };
        let network = self.session.network().clone();
        let contents = Contents {
            network: &network,
            info: &self.info,
            step: self.progress.step,
            state: self.config.state(),
            run: whole.then(run),
        };
        write_file(path, &contents, |part| self.session.get(part))
    }

    fn write_history(&self) -> Result<(), TrainError> {
        let Progress { history, steps, .. } = &self.progress;
        Ok(self.directory.write_history(&self.title(), history, steps, self.config.judged_on())?)
    }

    /// The title of pictures and reports.
    pub fn title(&self) -> String {
        self.info.title(self.train.dataset().name())
    }

    fn finite(&self, what: &'static str, value: f64) -> Result<(), TrainError> {
        if value.is_finite() {
            return Ok(());
        }
        let step = self.progress.step;
        Err(TrainError::Diverged { what, value, step, learning_rate: self.schedule.rate(step) })
    }

    fn summary(&self, start: &Start) -> Summary {
        let history = &self.progress.history;
        // Called only after the end of an epoch.
        let (last, best) = (history[history.len() - 1], *best(history).unwrap_or(&history[0]));
        let seconds = self.progress.train_seconds + self.progress.epoch_seconds;
        let batches = self.progress.epoch as usize * self.train.batches_per_epoch() + self.progress.batch;
        let images = batches as f64 * self.config.batch_size as f64;
        let early = (self.progress.step < self.total).then(|| stale_epochs(history));
        Summary { last, best, early, seconds: start.seconds(), images_per_second: images / seconds }
    }
}

/// A description of the optimiser state in a run's checkpoint.
fn optimizer_state(config: &TrainConfig) -> String {
    let momentum = match config.rule() {
        Rule::Sgd(sgd) if !sgd.has_velocity() => " without momentum",
        _ => "",
    };
    let average = if config.model_ema { " and --model-ema" } else { "" };
    format!("--opt {}{momentum}{average}", config.text("opt").unwrap_or_default())
}

/// Why an epoch's training pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    /// The epoch or the run is over.
    End,
    /// A checkpoint is due.
    Checkpoint,
    /// The user stopped it.
    Stopped,
}

/// When this process started, and the earlier time of the run.
struct Start {
    at: Instant,
    seconds: f64,
}

impl Start {
    fn seconds(&self) -> f64 {
        self.seconds + self.at.elapsed().as_secs_f64()
    }
}
