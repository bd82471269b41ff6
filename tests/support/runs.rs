//! Small runs on the CPU device, for the tests of training and of checkpoints.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use safetensors::SafeTensors;
use vgg_wgpu::{
    cpu::CpuExecutor,
    data::{Crop, DataSets, Dataset, Normalization, picture::PictureError},
    program::{DeviceLimits, Executor, lower},
    rng::philox4x32,
    train::{
        Checkpoint, Event, Flags, Outcome, Row, RunDirectory, Session, TrainConfig, TrainError, Trainer,
    },
};

pub const STEPS_PER_EPOCH: u64 = 24;

/// 28 x 28 noise with the pattern that is the image's class.
pub struct Patterns {
    images: Vec<u8>,
    class_names: Vec<String>,
    normalization: Normalization,
}

impl Patterns {
    pub fn new(count: usize, seed: u32) -> Arc<Self> {
        let mut images = Vec::new();
        for index in 0..count {
            let noise = (0..196).flat_map(|block| philox4x32([block, index as u32, seed, 0], [1, 2]));
            images.extend(noise.enumerate().map(|(pixel, word)| {
                let (row, column) = (pixel / 28 / 3 % 2, pixel % 28 / 3 % 2);
                let bright = [0, row, column, row ^ column][index % 4];
                (word % 90) as u8 + 120 * bright as u8
            }));
        }
        Arc::new(Self {
            images,
            class_names: ["flat", "rows", "columns", "checks"].map(str::to_owned).to_vec(),
            normalization: Normalization { mean: vec![0.2], std: vec![0.25] },
        })
    }
}

impl Dataset for Patterns {
    fn name(&self) -> &str {
        "patterns"
    }
    fn len(&self) -> usize {
        self.images.len() / 784
    }
    fn height(&self) -> usize {
        28
    }
    fn width(&self) -> usize {
        28
    }
    fn channels(&self) -> usize {
        1
    }
    fn class_names(&self) -> &[String] {
        &self.class_names
    }
    fn read(&self, index: usize, _crop: Crop<'_>, pixels: &mut [u8]) -> Result<(), PictureError> {
        pixels.copy_from_slice(&self.images[index * 784..][..784]);
        Ok(())
    }
    fn label(&self, index: usize) -> u32 {
        index as u32 % 4
    }
    fn normalization(&self) -> &Normalization {
        &self.normalization
    }
}

/// 192 training images in batches of 8, and a test set whose last batch is not full.
pub fn data() -> DataSets {
    DataSets::new(Patterns::new(192, 1), Patterns::new(43, 2))
}

pub fn config(output_dir: &Path) -> TrainConfig {
    TrainConfig {
        image_size: 28,
        width: 0.0625,
        hidden: Some(16),
        dropout: 0.2,
        batch_size: 8,
        epochs: 3,
        lr: 2e-3,
        lr_scheduler: vgg_wgpu::train::LrScheduler::Cosine,
        lr_warmup_epochs: 0.5,
        rotate: 5.0,
        translate: 0.02,
        seed: 11,
        output_dir: Some(output_dir.to_str().unwrap().to_owned()),
        ..TrainConfig::default()
    }
}

/// A session for training, its executor wrapped by `wrap`.
pub fn session(
    config: &TrainConfig,
    data: &DataSets,
    wrap: impl FnOnce(Box<dyn Executor>, vgg_wgpu::program::TensorId) -> Box<dyn Executor>,
) -> Session {
    let network = config.vgg(data.train.channels(), data.train.classes()).network().unwrap();
    let lowered = lower(&network, &config.settings(&*data.train, DeviceLimits::NONE)).unwrap();
    let executor: Box<dyn Executor> = Box::new(CpuExecutor::<f32>::new(lowered.program.clone()));
    Session::new(wrap(executor, lowered.inputs.metrics), &lowered, network)
}

pub fn start(config: &TrainConfig) -> Trainer {
    let directory = RunDirectory::create(config).unwrap();
    let data = data();
    let session = session(config, &data, |executor, _| executor);
    Trainer::new(session, config.clone(), &data, directory).unwrap()
}

/// Resumes as the command line does, with flags in TOML.
pub fn resume(run: &Path, flags: &str) -> Result<Trainer, TrainError> {
    let flags: Flags = flags.parse().unwrap();
    let output_dir = flags.get("output_dir").map(|path| Path::new(path.as_str().unwrap()));
    let (directory, path) = RunDirectory::resume(run, output_dir)?;
    let checkpoint = Checkpoint::read(&path)?;
    let config = checkpoint.config.resumed_with(&flags)?;
    let data = data();
    let session = session(&config, &data, |executor, _| executor);
    let mut trainer = Trainer::new(session, config, &data, directory)?;
    trainer.restore(&checkpoint)?;
    Ok(trainer)
}

pub fn finish(trainer: &mut Trainer) -> vgg_wgpu::train::Summary {
    match trainer.run(&AtomicBool::new(false), &mut |_: &Event<'_>| {}).unwrap() {
        Outcome::Finished(summary) => summary,
        outcome => panic!("{outcome:?}"),
    }
}

/// Runs until an event for which `at` is true, which sets the stop flag.
pub fn interrupt(trainer: &mut Trainer, at: impl Fn(&Event<'_>) -> bool) -> PathBuf {
    let stop = AtomicBool::new(false);
    let outcome = trainer.run(&stop, &mut |event: &Event<'_>| {
        if at(event) {
            stop.store(true, Ordering::Relaxed);
        }
    });
    match outcome.unwrap() {
        Outcome::Interrupted { checkpoint } => checkpoint,
        outcome => panic!("{outcome:?}"),
    }
}

/// The bytes of every tensor of a file.
pub fn tensors(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.iter().map(|(name, tensor)| (name.to_owned(), tensor.data().to_vec())).collect()
}

/// A row without its times.
pub fn timeless(rows: &[Row]) -> Vec<Row> {
    rows.iter().map(|row| Row { seconds: 0.0, images_per_second: 0.0, ..*row }).collect()
}

/// A run interrupted after each of these steps, and resumed, equals the finished one in the directory `whole`.
pub fn assert_resumed_runs_are_the_same(whole: &Path, config: impl Fn(&Path) -> TrainConfig, steps: &[u64]) {
    for &step in steps {
        let folder = tempfile::tempdir().unwrap();
        let mut trainer = start(&config(folder.path()));
        interrupt(&mut trainer, |event| matches!(event, Event::Step(s) if s.step == step));
        drop(trainer);
        finish(&mut resume(folder.path(), "").unwrap());
        assert_same_run(whole, folder.path());
    }
}

/// Two runs came to the same weights, optimiser state, step and metrics, bit for bit.
pub fn assert_same_run(one: &Path, other: &Path) {
    for file in ["checkpoint.safetensors", "best.safetensors"] {
        let (a, b) = (tensors(&one.join(file)), tensors(&other.join(file)));
        assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
        let differ: Vec<&String> = a.keys().filter(|name| a[*name] != b[*name]).collect();
        assert!(differ.is_empty(), "{file}: {differ:?} differ");
    }
    let read = |run: &Path| Checkpoint::read(&run.join("checkpoint.safetensors")).unwrap().progress;
    let (a, b) = (read(one), read(other));
    assert_eq!(timeless(&a.history), timeless(&b.history));
    assert_eq!(
        (a.epoch, a.batch, a.step, a.sums, a.device.map(f32::to_bits)),
        (b.epoch, b.batch, b.step, b.sums, b.device.map(f32::to_bits))
    );
    let csv = |run: &Path| -> Vec<Vec<String>> {
        let text = fs::read_to_string(run.join("metrics.csv")).unwrap();
        text.lines().map(|line| line.split(',').take(7).map(str::to_owned).collect()).collect()
    };
    assert_eq!(csv(one), csv(other));
    assert_eq!(a.steps, b.steps);
    let steps = |run: &Path| fs::read_to_string(run.join("steps.csv")).unwrap();
    assert_eq!(steps(one), steps(other));
}

pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    // Windows keeps the file of a lock that has ended.
    names.retain(|name| cfg!(unix) || name != ".lock");
    names.sort();
    names
}
