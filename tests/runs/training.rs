//! Whole runs of a small network on the CPU device: their accuracy, reruns and resumed runs bit for bit, one run in a directory.

use std::{
    fs,
    ops::Range,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use tempfile::tempdir;
use vgg_wgpu::{
    data::Loader,
    model::Architecture,
    program::{Executor, ExecutorError, Program, TensorId},
    train::{CSV_HEADER, Event, LrScheduler, RunDirectory, TrainConfig, TrainError, Trainer},
};

use crate::support::{
    on_narrower_instruction_sets,
    runs::{
        self, STEPS_PER_EPOCH, assert_same_run, config, data, finish, interrupt, names, resume, session,
        start, timeless,
    },
};

const FILES: [&str; 6] =
    ["best.safetensors", "checkpoint.safetensors", "config.toml", "curves.svg", "metrics.csv", "steps.csv"];

#[test]
fn a_run_learns_on_narrower_instruction_sets() {
    on_narrower_instruction_sets("training::a_run_learns_and_leaves_all_its_files");
}

/// The bounds hold for any order of summation, and so on any machine: by the seeds 0 to 47 on AVX-512, AVX2 and without
/// vectors, all 144 runs end with every test image right and with a training loss of at most 0.22.
///
/// That takes a wide hidden layer and a shallow network: about half of the same runs of VGG16 with 64 hidden units stay at an
/// accuracy of 0.5, unable to separate two of the classes, and which ones depends on rounding.
#[test]
fn a_run_learns_and_leaves_all_its_files() {
    let folder = tempdir().unwrap();
    let model = Architecture::Vgg11Bn;
    let config =
        TrainConfig { model, hidden: Some(512), epochs: 7, lr: 1e-3, seed: 0, ..config(folder.path()) };
    let mut trainer = start(&config);
    let (mut losses, mut steps, mut done) = (Vec::new(), 0, 0);
    let mut observer = |event: &Event<'_>| match event {
        Event::Step(step) => {
            steps += 1;
            assert_eq!(step.step, steps);
            losses.extend(step.loss);
        }
        Event::EpochDone { .. } => done += 1,
        _ => {}
    };
    let outcome = trainer.run(&AtomicBool::new(false), &mut observer).unwrap();
    let vgg_wgpu::train::Outcome::Finished(summary) = outcome else { panic!("{outcome:?}") };
    assert_eq!((steps, done), (7 * STEPS_PER_EPOCH, 7));
    // Chance is ln 4 = 1.386 and 0.25.
    assert!(summary.last.train_loss < 0.5 && summary.last.train_loss < losses[0], "{summary:?}");
    assert!(summary.last.test_accuracy > 0.9, "{summary:?}");
    assert!(summary.seconds > 0.0 && summary.images_per_second > 0.0);

    drop(trainer);
    assert_eq!(names(folder.path()), FILES);
    let csv = fs::read_to_string(folder.path().join("metrics.csv")).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!((lines.len(), lines[0]), (8, CSV_HEADER));
    assert!(lines[7].starts_with("7,168,"), "{csv}");
    let written = TrainConfig::from_file(&folder.path().join("config.toml")).unwrap();
    assert_eq!(written, config);
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_does_not() {
    let (one, two, three) = (tempdir().unwrap(), tempdir().unwrap(), tempdir().unwrap());
    let short = |folder: &Path, seed| TrainConfig { epochs: 1, seed, ..config(folder) };
    finish(&mut start(&short(one.path(), 11)));
    finish(&mut start(&short(two.path(), 11)));
    let other = finish(&mut start(&short(three.path(), 12)));
    assert_same_run(one.path(), two.path());
    let best = |folder: &Path| fs::read(folder.join("best.safetensors")).unwrap();
    assert_eq!(best(one.path()), best(two.path()), "the files of weights are the same byte for byte");
    assert_ne!(best(one.path()), best(three.path()));
    assert!(other.last.train_loss.is_finite());
}

#[test]
fn a_resumed_run_equals_an_uninterrupted_one() {
    let whole = tempdir().unwrap();
    finish(&mut start(&config(whole.path())));
    // In an epoch before, at and after a reading of the sums; at the end of an epoch's steps; in the second epoch;
    // in an evaluation.
    for step in [1, 7, 10, 20, 24, 33, 71] {
        let folder = tempdir().unwrap();
        let at = |event: &Event<'_>| matches!(event, Event::Step(s) if s.step == step);
        let checkpoint = interrupt(&mut start(&config(folder.path())), at);
        assert_eq!(checkpoint, folder.path().join("checkpoint.safetensors"));
        let mut trainer = resume(folder.path(), "").unwrap();
        assert_eq!(trainer.progress().step, step);
        finish(&mut trainer);
        assert_same_run(whole.path(), folder.path());
    }
    let folder = tempdir().unwrap();
    let testing = |event: &Event<'_>| matches!(event, Event::Testing { batch: 3, .. });
    interrupt(&mut start(&config(folder.path())), testing);
    finish(&mut resume(folder.path(), "").unwrap());
    assert_same_run(whole.path(), folder.path());
}

/// Interrupted before every tenth step, and resumed from a file each time.
#[test]
fn a_run_in_many_pieces_is_still_the_same() {
    let (whole, pieces) = (tempdir().unwrap(), tempdir().unwrap());
    finish(&mut start(&config(whole.path())));
    let mut trainer = start(&config(pieces.path()));
    for step in [9, 18, 27, 36, 45, 54, 63] {
        interrupt(&mut trainer, |event| matches!(event, Event::Step(s) if s.step == step));
        // A run locks its directory until its end.
        drop(trainer);
        trainer = resume(pieces.path(), "").unwrap();
    }
    finish(&mut trainer);
    assert_same_run(whole.path(), pieces.path());
}

/// `--steps` ends a run early; a later run with more steps continues from there.
#[test]
fn steps_end_a_run_and_can_be_extended() {
    let (whole, folder) = (tempdir().unwrap(), tempdir().unwrap());
    let steps = |folder: &Path, steps| TrainConfig { steps: Some(steps), ..config(folder) };
    finish(&mut start(&steps(whole.path(), 30)));
    let summary = finish(&mut start(&steps(folder.path(), 15)));
    assert_eq!((summary.last.epoch, summary.last.step), (1, 15));
    assert_eq!(names(folder.path()), FILES);
    let error = resume(folder.path(), "").err().unwrap();
    assert!(matches!(error, TrainError::Over { step: 15, of: 15, .. }), "{error}");
    assert!(error.to_string().ends_with("give a larger --steps with --resume"), "{error}");
    let summary = finish(&mut resume(folder.path(), "steps = 30").unwrap());
    assert_eq!((summary.last.epoch, summary.last.step), (2, 30));
    assert_same_run(whole.path(), folder.path());
}

#[test]
fn epochs_can_be_extended_if_the_schedule_does_not_depend_on_them() {
    let (whole, folder) = (tempdir().unwrap(), tempdir().unwrap());
    let step = |folder: &Path, epochs| {
        let lr_scheduler = LrScheduler::Step;
        TrainConfig { epochs, lr_scheduler, lr_step_size: 1, ..config(folder) }
    };
    finish(&mut start(&step(whole.path(), 2)));
    finish(&mut start(&step(folder.path(), 1)));
    let error = resume(folder.path(), "").err().unwrap().to_string();
    assert!(error.contains("step 24 of 24") && error.contains("--epochs"), "{error}");
    // A refused run leaves no files.
    let elsewhere = tempdir().unwrap();
    let there = format!("lr_warmup_epochs = 0\noutput_dir = {:?}", elsewhere.path().to_str().unwrap());
    assert!(resume(folder.path(), &there).is_err());
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    let flags = format!("epochs = 2\noutput_dir = {:?}", elsewhere.path().to_str().unwrap());
    finish(&mut resume(folder.path(), &flags).unwrap());
    assert_same_run(whole.path(), elsewhere.path());
}

/// The command in the error works, and the error suggests nothing else.
#[test]
fn a_finished_run_suggests_a_command_that_works() {
    let constant = LrScheduler::Constant;
    for (lr_scheduler, steps, advice, flags) in [
        (constant, None, "larger --epochs with", "epochs = 2"),
        (constant, Some(30), "larger --epochs with", "epochs = 2"),
        (constant, Some(24), "larger --epochs and a larger --steps with", "epochs = 2\nsteps = 48"),
        (LrScheduler::Cosine, Some(20), "larger --steps with", "steps = 24"),
    ] {
        let folder = tempdir().unwrap();
        finish(&mut start(&TrainConfig { lr_scheduler, steps, epochs: 1, ..config(folder.path()) }));
        let error = resume(folder.path(), "").err().unwrap().to_string();
        assert!(error.contains(&format!("to continue, give a {advice} --resume")), "{error}");
        finish(&mut resume(folder.path(), flags).unwrap());
    }
    // A cosine schedule cannot be extended; tests/runs/dataset_runs.rs runs the command that the error suggests instead.
    for (steps, more) in [(None, " --output-dir"), (Some(24), " --steps N --output-dir")] {
        let folder = tempdir().unwrap();
        finish(&mut start(&TrainConfig { steps, epochs: 1, ..config(folder.path()) }));
        let error = resume(folder.path(), "").err().unwrap().to_string();
        let file = |name: &str| folder.path().join(name).display().to_string();
        let [recipe, weights] = ["config.toml", "best.safetensors"].map(file);
        let command = format!("vgg train --recipe {recipe} --weights {weights} --epochs N{more} DIR");
        assert!(error.ends_with(&command) && !error.contains("--resume"), "{error}");
    }
}

#[test]
fn a_resumed_run_refuses_other_data_and_other_settings() {
    let folder = tempdir().unwrap();
    finish(&mut start(&TrainConfig { steps: Some(2), ..config(folder.path()) }));
    let error = resume(folder.path(), "lr = 0.5\nepochs = 9").err().unwrap().to_string();
    assert!(error.contains("--lr is 0.002, not 0.5") && error.contains("--epochs is 3, not 9"), "{error}");

    let path = folder.path().join("checkpoint.safetensors");
    let checkpoint = vgg_wgpu::train::Checkpoint::read(&path).unwrap();
    let mut smaller = data();
    smaller.train = runs::Patterns::new(184, 1);
    let config = TrainConfig { steps: Some(9), ..checkpoint.config.clone() };
    let (directory, _) = RunDirectory::resume(&path, None).unwrap();
    let session = session(&config, &smaller, |executor, _| executor);
    let mut trainer = Trainer::new(session, config, &smaller, directory).unwrap();
    let error = trainer.restore(&checkpoint).unwrap_err().to_string();
    assert!(error.contains("192 training images, but the data set has 184"), "{error}");
}

/// Forwards all calls, but from the `poisoned`-th reading of the sums on the loss is NaN.
struct Poison {
    inner: Box<dyn Executor>,
    metrics: TensorId,
    readings: usize,
    poisoned: usize,
}

impl Executor for Poison {
    fn program(&self) -> &Program {
        self.inner.program()
    }
    fn upload(&mut self, tensor: TensorId, data: &[u8]) -> Result<(), ExecutorError> {
        self.inner.upload(tensor, data)
    }
    fn queue(&mut self, steps: Range<usize>) -> Result<(), ExecutorError> {
        self.inner.queue(steps)
    }
    fn wait(&mut self) -> Result<(), ExecutorError> {
        self.inner.wait()
    }
    fn kernel(&self, step: usize) -> String {
        self.inner.kernel(step)
    }
    fn read(&mut self, tensor: TensorId) -> Result<Vec<u8>, ExecutorError> {
        self.inner.read(tensor)
    }
    fn request(&mut self, tensor: TensorId) -> Result<(), ExecutorError> {
        if tensor == self.metrics {
            self.readings += 1;
            if self.readings >= self.poisoned {
                self.inner.upload(tensor, bytemuck::bytes_of(&[f32::NAN, 0.0, 80.0, 0.0]))?;
            }
        }
        self.inner.request(tensor)
    }
    fn collect(&mut self, wait: bool) -> Result<Option<Vec<u8>>, ExecutorError> {
        self.inner.collect(wait)
    }
    fn allocations(&self) -> usize {
        self.inner.allocations()
    }
    fn allocated_bytes(&self) -> u64 {
        self.inner.allocated_bytes()
    }
}

#[test]
fn a_loss_that_is_nan_stops_the_run_and_keeps_the_last_checkpoint() {
    let folder = tempdir().unwrap();
    let (config, data) = (config(folder.path()), data());
    let directory = RunDirectory::create(&config).unwrap();
    // An epoch has three readings in training and one in the evaluation: the fifth is in the second epoch.
    let session = session(&config, &data, |inner, metrics| {
        Box::new(Poison { inner, metrics, readings: 0, poisoned: 5 })
    });
    let mut trainer = Trainer::new(session, config, &data, directory).unwrap();
    let mut saved = Vec::new();
    let mut observer = |event: &Event<'_>| {
        if let Event::Saved(path) = event {
            saved = fs::read(path).unwrap();
        }
    };
    let error = trainer.run(&AtomicBool::new(false), &mut observer).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { step: 34, .. }), "{error}");
    assert!(error.to_string().contains("training loss became NaN by step 34"), "{error}");
    assert!(!saved.is_empty());
    assert_eq!(fs::read(folder.path().join("checkpoint.safetensors")).unwrap(), saved);
    drop(trainer);
    assert_eq!(names(folder.path()), FILES);
    assert_eq!(resume(folder.path(), "").unwrap().progress().epoch, 1);
}

#[test]
fn nothing_is_allocated_after_the_first_step() {
    let folder = tempdir().unwrap();
    let mut trainer = start(&config(folder.path()));
    interrupt(&mut trainer, |event| matches!(event, Event::Step(s) if s.step == 2));
    let executor = trainer.session().executor();
    let before = (executor.allocations(), executor.allocated_bytes());
    finish(&mut trainer);
    let executor = trainer.session().executor();
    assert_eq!((executor.allocations(), executor.allocated_bytes()), before);
}

/// The same trainer can continue after an interruption, without a file.
#[test]
fn an_interrupted_trainer_can_continue() {
    let (whole, folder) = (tempdir().unwrap(), tempdir().unwrap());
    finish(&mut start(&config(whole.path())));
    let mut trainer = start(&config(folder.path()));
    interrupt(&mut trainer, |event| matches!(event, Event::Step(s) if s.step == 31));
    finish(&mut trainer);
    assert_same_run(whole.path(), folder.path());
}

#[test]
fn evaluation_and_prediction_agree_with_the_run() {
    let folder = tempdir().unwrap();
    let mut trainer = start(&config(folder.path()));
    let last = finish(&mut trainer).last;
    let test = data().test;
    let loader = Loader::evaluate(test.clone(), 8).unwrap();
    let mut batches = 0;
    let evaluation = trainer.session().evaluate(&loader, |done, of| batches = done.max(of)).unwrap();
    assert_eq!(batches, 6);
    assert_eq!(evaluation.accuracy(), last.test_accuracy);
    // The device sums in f32, ten batches of 8 at a time.
    assert!((evaluation.loss() - last.test_loss).abs() <= 80.0 * 6e-8 * evaluation.loss().max(1.0));
    assert_eq!(evaluation.confusion.iter().flatten().sum::<u64>(), 43);
    assert_eq!(evaluation.confusion[0].iter().sum::<u64>(), 11);

    let images: Vec<u8> = (0..test.len()).flat_map(|index| test.image(index).unwrap()).collect();
    let probs = trainer.session().predict(&images).unwrap();
    assert_eq!(probs.len(), 43);
    let right = probs.iter().zip(0..).filter(|(probs, index)| {
        let sum: f32 = probs.iter().sum();
        assert!((sum - 1.0).abs() <= 1e-6);
        let best = (0..4).max_by(|&a, &b| probs[a].total_cmp(&probs[b])).unwrap();
        best as u32 == test.label(*index)
    });
    assert_eq!(right.count() as u64, evaluation.sums.correct);
    assert!(trainer.session().predict(&images[..100]).unwrap_err().to_string().contains("784"));
}

#[test]
fn an_output_directory_that_cannot_be_used_is_an_error_before_training() {
    let folder = tempdir().unwrap();
    let error = |path: &Path| RunDirectory::create(&config(path)).unwrap_err().to_string();
    let file = folder.path().join("file");
    fs::write(&file, "precious").unwrap();
    assert!(error(&file).contains("is a file; give another --output-dir"), "{}", error(&file));
    assert!(error(&file.join("below")).contains("cannot create"), "{}", error(&file.join("below")));
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    if cfg!(target_os = "linux") {
        assert!(error(Path::new("/proc/vgg-run")).starts_with("cannot create /proc/vgg-run"));
        assert!(error(Path::new("/proc")).starts_with("cannot lock /proc/.lock"));
    }
    let foreign = folder.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("config.toml"), "[their]\n").unwrap();
    assert!(error(&foreign).contains("config.toml that vgg train did not write"));
    assert_eq!(names(&foreign), ["config.toml"]);

    let run = folder.path().join("run");
    finish(&mut start(&TrainConfig { steps: Some(1), ..config(&run) }));
    let text = error(&run);
    assert!(text.contains("contains another run") && text.contains("--resume"), "{text}");
    // A run without a checkpoint has nothing to lose.
    fs::remove_file(run.join("checkpoint.safetensors")).unwrap();
    fs::remove_file(run.join("best.safetensors")).unwrap();
    assert!(RunDirectory::create(&config(&run)).is_ok());
    let error = resume(&run, "").err().unwrap().to_string();
    assert!(error.contains("no checkpoint to resume"), "{error}");
}

/// As two processes do: a lock belongs to an open file.
#[test]
fn a_directory_has_one_run_at_a_time() {
    let (whole, folder) = (tempdir().unwrap(), tempdir().unwrap());
    let short = |folder: &Path| TrainConfig { epochs: 1, ..config(folder) };
    finish(&mut start(&short(whole.path())));
    let locked = |error: &str| {
        let process = format!(" (process {})", std::process::id());
        let process = if cfg!(unix) { &process } else { "" };
        assert!(
            error.contains(&format!("another run{process} is writing to "))
                && error.contains(folder.path().to_str().unwrap()),
            "{error}"
        );
        assert!(error.contains("another --output-dir"), "{error}");
    };
    let refused = || {
        let files = || -> Vec<(String, Vec<u8>)> {
            let read = |name: String| (name.clone(), fs::read(folder.path().join(name)).unwrap());
            names(folder.path()).into_iter().map(read).collect()
        };
        let before = files();
        locked(&RunDirectory::create(&short(folder.path())).unwrap_err().to_string());
        locked(&resume(folder.path(), "").err().unwrap().to_string());
        assert!(before == files(), "it has changed a file");
    };
    let source = tempdir().unwrap();
    interrupt(&mut start(&short(source.path())), |event| matches!(event, Event::Step(_)));
    let mut trainer = start(&short(folder.path()));
    refused();
    let there = format!("output_dir = {:?}", folder.path().to_str().unwrap());
    locked(&resume(source.path(), &there).err().unwrap().to_string());
    interrupt(&mut trainer, |event| matches!(event, Event::Step(s) if s.step == 9));
    refused();
    drop(trainer);
    let mut trainer = resume(folder.path(), "").unwrap();
    refused();
    finish(&mut trainer);
    refused();
    drop(trainer);
    assert_same_run(whole.path(), folder.path());
    assert_eq!(names(folder.path()), FILES);
}

/// The lock and temporary files of a killed run do not stop the next one; other programs' files are not touched.
#[test]
fn a_lock_is_taken_over_only_from_a_killed_run() {
    let folder = tempdir().unwrap();
    let lock = folder.path().join(".lock");
    fs::write(&lock, "4194304").unwrap();
    fs::write(folder.path().join(".best.safetensors.4194304.7.tmp"), "half of i").unwrap();
    fs::write(folder.path().join(".notes.tmp"), "mine").unwrap();
    let trainer = start(&TrainConfig { steps: Some(1), ..config(folder.path()) });
    if cfg!(unix) {
        // Others cannot read a locked file elsewhere.
        assert_eq!(fs::read_to_string(&lock).unwrap(), std::process::id().to_string());
    }
    drop(trainer);
    assert_eq!(names(folder.path()), [".notes.tmp", "config.toml"]);
    let refused = || {
        let error = RunDirectory::create(&config(folder.path())).unwrap_err().to_string();
        assert!(error.contains("cannot lock") && error.contains("not the lock of a run"), "{error}");
        assert!(error.contains("another --output-dir"), "{error}");
    };
    fs::write(&lock, "another program's").unwrap();
    refused();
    assert_eq!(fs::read_to_string(&lock).unwrap(), "another program's");
    #[cfg(unix)]
    {
        let precious = folder.path().join("precious");
        fs::write(&precious, "17").unwrap();
        for target in [&precious, &folder.path().join("absent")] {
            fs::remove_file(&lock).unwrap();
            std::os::unix::fs::symlink(target, &lock).unwrap();
            refused();
        }
        assert_eq!(fs::read_to_string(&precious).unwrap(), "17");
        assert!(!folder.path().join("absent").exists() && lock.is_symlink());
    }
}

#[test]
fn impossible_sizes_are_refused() {
    let folder = tempdir().unwrap();
    let data = data();
    let refuse = |config: TrainConfig, tiny: TrainConfig| {
        let directory = RunDirectory::create(&config).unwrap();
        let session = session(&tiny, &data, |executor, _| executor);
        Trainer::new(session, config, &data, directory).err().unwrap().to_string()
    };
    let base = config(folder.path());
    let error = refuse(TrainConfig { batch_size: 193, ..base.clone() }, base.clone());
    assert!(error.contains("192 training images, fewer than one batch of 193"), "{error}");
    let error = refuse(TrainConfig { batch_size: 0, ..base.clone() }, base);
    assert!(error.contains("batch_size is 0"), "{error}");
}

/// An interruption before the first step still writes a checkpoint, of the initial weights.
#[test]
fn a_run_stopped_before_it_begins_can_be_resumed() {
    let (whole, folder) = (tempdir().unwrap(), tempdir().unwrap());
    let short = |folder: &Path| TrainConfig { epochs: 1, ..config(folder) };
    finish(&mut start(&short(whole.path())));
    let stop = AtomicBool::new(true);
    let outcome = start(&short(folder.path())).run(&stop, &mut |_: &Event<'_>| {}).unwrap();
    assert!(matches!(outcome, vgg_wgpu::train::Outcome::Interrupted { .. }) && stop.load(Ordering::Relaxed));
    let mut trainer = resume(folder.path(), "").unwrap();
    assert_eq!(trainer.progress().step, 0);
    finish(&mut trainer);
    assert_same_run(whole.path(), folder.path());
    assert_eq!(timeless(&trainer.progress().history).len(), 1);
}
