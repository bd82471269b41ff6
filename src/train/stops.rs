//! Tests that stop runs at each of their changes to the file system, as a full disk or the end of the process would: the
//! files left behind can be trained again or resumed, and the result equals that of an uninterrupted run.

#[path = "../../tests/support/mod.rs"]
mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use support::runs::{self, Patterns, assert_same_run, names};
use tempfile::tempdir;

use super::{Checkpoint, Event, LrScheduler, RunDirectory, RunError, TrainConfig, TrainError, Trainer};
use crate::{
    data::DataSets,
    files::faults::{Fault, made, plan},
    model::Architecture,
};

const FILES: [&str; 6] =
    ["best.safetensors", "checkpoint.safetensors", "config.toml", "curves.svg", "metrics.csv", "steps.csv"];

/// Two steps per epoch, as small as possible: hundreds of runs are stopped here.
fn data() -> DataSets {
    DataSets::new(Patterns::new(8, 1), Patterns::new(4, 2))
}

fn trainer(config: TrainConfig, directory: RunDirectory) -> Result<Trainer, TrainError> {
    let data = data();
    let session = runs::session(&config, &data, |executor, _| executor);
    Trainer::new(session, config, &data, directory)
}

/// Trains to the end, or until step `stop`.
fn finish(mut trainer: Trainer, stop: Option<u64>) -> Result<(), TrainError> {
    let flag = AtomicBool::new(false);
    let mut observer = |event: &Event<'_>| {
        let stopping = matches!(event, Event::Step(step) if Some(step.step) == stop);
        flag.fetch_or(stopping, Ordering::Relaxed);
    };
    trainer.run(&flag, &mut observer).map(|_| ())
}

fn config(directory: &Path, seed: u64) -> TrainConfig {
    TrainConfig {
        model: Architecture::Vgg11Bn,
        batch_size: 4,
        epochs: 2,
        lr: 5e-3,
        lr_scheduler: LrScheduler::Constant,
        lr_warmup_epochs: 0.0,
        seed,
        ..runs::config(directory)
    }
}

/// `vgg train --output-dir DIRECTORY --seed SEED`.
fn train(directory: &Path, seed: u64, stop: Option<u64>) -> Result<(), TrainError> {
    let config = config(directory, seed);
    finish(trainer(config.clone(), RunDirectory::create(&config)?)?, stop)
}

/// A complete run whose second epoch is better than the first, so that it overwrites the best weights; and its seed.
fn whole(folder: &Path) -> (PathBuf, u64) {
    let rises = |seed: &u64| {
        let directory = folder.join(format!("seed-{seed}"));
        train(&directory, *seed, None).unwrap();
        let history = Checkpoint::read(&directory.join("checkpoint.safetensors")).unwrap().progress.history;
        history[1].test_accuracy > history[0].test_accuracy
    };
    // About one seed in ten.
    let seed = (0..100).find(rises).expect("a run that learns");
    (folder.join(format!("seed-{seed}")), seed)
}

/// `vgg train --resume FROM [--output-dir DIRECTORY]`.
fn resume(from: &Path, directory: Option<&Path>) -> Result<(), TrainError> {
    let (directory, path) = RunDirectory::resume(from, directory)?;
    let checkpoint = Checkpoint::read(&path)?;
    let config = checkpoint.config.resumed_with(&Default::default())?;
    let mut trainer = trainer(config, directory)?;
    trainer.restore(&checkpoint)?;
    drop(checkpoint);
    finish(trainer, None)
}

/// Stops `act` at each of its changes with both kinds of fault, each time in a new directory made by `prepare`; then
/// `recover` must lead to the same result as an uninterrupted `act`.
#[track_caller]
fn at_each_change(
    whole: &Path,
    prepare: impl Fn(&Path),
    act: impl Fn(&Path) -> Result<(), TrainError>,
    recover: impl Fn(&Path, &str),
) -> usize {
    let folder = tempdir().unwrap();
    let unharmed = folder.path().join("unharmed");
    prepare(&unharmed);
    plan(None);
    act(&unharmed).unwrap();
    let changes = made();
    assert_same_run(whole, &unharmed);
    for (fault, at) in
        [Fault::Fails, Fault::Stops].into_iter().flat_map(|f| (0..changes).map(move |at| (f, at)))
    {
        let directory = folder.path().join(format!("{fault:?}-{at}"));
        prepare(&directory);
        plan(Some((at, fault)));
        let result = act(&directory);
        plan(None);
        let case = format!("{fault:?} at change {at} of {changes}");
        if let Err(error) = &result {
            let text = error.to_string();
            assert!(text.contains("no storage space") || text.contains("stopped"), "{case}: {text}");
        }
        if fault == Fault::Stops {
            recover(&directory, &case);
            assert_eq!(names(&directory), FILES, "{case}");
            assert_same_run(whole, &directory);
        } else if result.is_ok() {
            // Only a failed removal does no harm.
            assert_same_run(whole, &directory);
        } else if directory.exists() {
            // The rest of the directory is as after a stop.
            let left = names(&directory);
            let rest = left.iter().filter(|name| name.ends_with(".tmp") || *name == ".lock");
            assert_eq!(rest.count(), 0, "{case}: {left:?}");
        }
    }
    changes
}

/// Resumes the directory; `false` if it has no checkpoint, and then the error says how to start the run again.
fn resumes(directory: &Path, case: &str) -> bool {
    match resume(directory, None) {
        Ok(()) | Err(TrainError::Over { .. }) => true,
        Err(TrainError::Run(error @ RunError::NoCheckpoint { .. })) => {
            let (text, config) = (error.to_string(), directory.join("config.toml"));
            let way = format!(
                "start it again: vgg train --recipe {} --output-dir {}",
                config.display(),
                directory.display()
            );
            assert_eq!(text.contains(&way), config.exists(), "{case}: {text}");
            false
        }
        Err(error) => panic!("{case}: {error}"),
    }
}

#[test]
fn a_new_run_that_is_stopped_anywhere_can_be_resumed_or_started_again() {
    let folder = tempdir().unwrap();
    let (whole, seed) = whole(folder.path());
    let recover = |directory: &Path, case: &str| {
        let checkpoint = directory.join("checkpoint.safetensors").exists();
        if directory.exists() && resumes(directory, case) {
            assert!(checkpoint, "{case}");
            let taken = train(directory, seed, None).unwrap_err();
            assert!(matches!(taken, TrainError::Run(RunError::Taken { .. })), "{case}: {taken}");
        } else {
            assert!(!checkpoint, "{case}");
            train(directory, seed, None).unwrap_or_else(|error| panic!("{case}: {error}"));
        }
    };
    let changes = at_each_change(&whole, |_| {}, |directory| train(directory, seed, None), recover);
    // A file takes five changes, and each of the two epochs writes four files.
    assert!(changes > 5 * 2 * 4, "{changes}");
}

/// The directory of a run whose checkpoint and best weights have been removed.
#[test]
fn a_run_in_place_of_another_is_like_any_other() {
    let folder = tempdir().unwrap();
    let (whole, seed) = whole(folder.path());
    let other = folder.path().join(format!("seed-{}", if seed == 0 { 1 } else { 0 }));
    if !other.exists() {
        train(&other, 1, None).unwrap();
    }
    let prepare = |directory: &Path| {
        fs::create_dir(directory).unwrap();
        for name in ["config.toml", "metrics.csv", "steps.csv", "curves.svg"] {
            fs::copy(other.join(name), directory.join(name)).unwrap();
        }
    };
    let recover = |directory: &Path, case: &str| {
        if !resumes(directory, case) {
            train(directory, seed, None).unwrap_or_else(|error| panic!("{case}: {error}"));
        }
    };
    at_each_change(&whole, prepare, |directory| train(directory, seed, None), recover);
}

#[test]
fn a_resumed_run_that_is_stopped_anywhere_can_be_resumed() {
    let folder = tempdir().unwrap();
    let (whole, seed) = whole(folder.path());
    let prepare = |directory: &Path| train(directory, seed, Some(3)).unwrap();
    let recover = |directory: &Path, case: &str| assert!(resumes(directory, case), "{case}");
    at_each_change(&whole, prepare, |directory| resume(directory, None), recover);
}

#[test]
fn a_run_that_continues_elsewhere_and_is_stopped_anywhere_can_be_resumed() {
    let folder = tempdir().unwrap();
    let (whole, seed) = whole(folder.path());
    let source = folder.path().join("source");
    train(&source, seed, Some(3)).unwrap();
    let contents = || -> Vec<Vec<u8>> {
        names(&source).iter().map(|name| fs::read(source.join(name)).unwrap()).collect()
    };
    let before = contents();
    let recover = |directory: &Path, case: &str| match resume(&source, Some(directory)) {
        Ok(()) => {}
        Err(TrainError::Run(RunError::Taken { .. })) => assert!(resumes(directory, case), "{case}"),
        Err(error) => panic!("{case}: {error}"),
    };
    at_each_change(&whole, |_| {}, |directory| resume(&source, Some(directory)), recover);
    assert!(before == contents(), "the run's own directory has changed");
}
