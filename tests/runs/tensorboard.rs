//! The files of `--tensorboard`, read back by a reader of their own.

use std::{collections::BTreeMap, fs, path::Path, sync::atomic::AtomicBool};

use vgg_wgpu::{
    cpu::CpuExecutor,
    export::TensorBoard,
    model::{LayerKind, Network},
    program::{DeviceLimits, Precision, lower},
    train::{
        Event, Observer, Optimizer, Row, RunDirectory, Session, TrainConfig, TrainError, Trainer, loaders,
    },
    weights::Weights,
};

use crate::support::{
    command::{self, words},
    runs,
    synthetic::{DIGITS, digits},
};

/// The fields of a protocol-buffers message: number, and the bytes of its value (8, 4, or as many as it has). A varint is 8 bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            value |= u64::from(byte & 127) << shift;
            if byte < 128 {
                break;
            }
        }
        value
    }
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let len = match key & 7 {
            0 => {
                found.push((key >> 3, varint(&mut bytes).to_le_bytes().to_vec()));
                continue;
            }
            1 => 8,
            2 => varint(&mut bytes) as usize,
            5 => 4,
            wire => panic!("wire type {wire}"),
        };
        let (value, rest) = bytes.split_at(len);
        found.push((key >> 3, value.to_vec()));
        bytes = rest;
    }
    found
}

/// All values of a field.
fn all(bytes: &[u8], field: u64) -> Vec<Vec<u8>> {
    fields(bytes).into_iter().filter(|(number, _)| *number == field).map(|(_, value)| value).collect()
}

/// The only value of a field; empty if there is none.
fn one(bytes: &[u8], field: u64) -> Vec<u8> {
    let mut values = all(bytes, field);
    assert!(values.len() < 2, "{} values of field {field}", values.len());
    values.pop().unwrap_or_default()
}

/// A varint or an f64; 0 if there is none.
fn word(bytes: &[u8], field: u64) -> [u8; 8] {
    one(bytes, field).try_into().unwrap_or_default()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// CRC-32C bit by bit, masked.
fn checksum(bytes: &[u8]) -> [u8; 4] {
    let mut crc = !0u32;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    (!crc).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// The value of a summary.
struct Shown {
    step: u64,
    plugin: String,
    content: Vec<u8>,
    scalar: Option<f32>,
    tensor: Vec<u8>,
    description: String,
}

impl Shown {
    /// The rows of a histogram: from, to, count.
    fn histogram(&self) -> Vec<[f64; 3]> {
        assert_eq!((self.plugin.as_str(), u64::from_le_bytes(word(&self.tensor, 1))), ("histograms", 2));
        let numbers = one(&self.tensor, 4);
        let numbers: Vec<f64> =
            numbers.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
        numbers.as_chunks().0.to_vec()
    }

    fn count(&self) -> f64 {
        self.histogram().iter().map(|row| row[2]).sum()
    }

    /// The least and the greatest value of a histogram.
    fn ends(&self) -> [f64; 2] {
        let rows = self.histogram();
        [rows[0][0], rows[rows.len() - 1][1]]
    }

    /// The pictures, which all have the size that is stored with them.
    fn pictures(&self) -> Vec<image::DynamicImage> {
        assert_eq!((self.plugin.as_str(), u64::from_le_bytes(word(&self.tensor, 1))), ("images", 7));
        let strings = all(&self.tensor, 8);
        assert_eq!(u64::from_le_bytes(word(&one(&one(&self.tensor, 2), 2), 1)), strings.len() as u64);
        let [width, height] = [0, 1].map(|side| text(strings[side].clone()).parse::<u32>().unwrap());
        let pictures: Vec<_> = strings[2..].iter().map(|png| image::load_from_memory(png).unwrap()).collect();
        assert!(pictures.iter().all(|picture| (picture.width(), picture.height()) == (width, height)));
        pictures
    }
}

/// The contents of an event file.
struct Events {
    values: BTreeMap<String, Vec<Shown>>,
    graphs: Vec<Vec<u8>>,
}

impl Events {
    /// Those of the only event file of a directory.
    fn read(run: &Path) -> Self {
        let files = fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path());
        let files: Vec<_> = files.filter(|file| file.to_str().unwrap().contains("tfevents")).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        let bytes = fs::read(&files[0]).unwrap();
        let (mut rest, mut records) = (&bytes[..], Vec::new());
        while !rest.is_empty() {
            let len = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            assert_eq!(rest[8..12], checksum(&rest[..8]));
            assert_eq!(rest[12 + len..][..4], checksum(&rest[12..][..len]));
            records.push(rest[12..][..len].to_vec());
            rest = &rest[16 + len..];
        }
        assert_eq!(text(one(&records[0], 3)), "brain.Event:2");
        let mut values: BTreeMap<String, Vec<Shown>> = BTreeMap::new();
        for record in &records {
            let step = u64::from_le_bytes(word(record, 2));
            for value in all(&one(record, 5), 1) {
                let metadata = one(&value, 9);
                let shown = Shown {
                    step,
                    plugin: text(one(&one(&metadata, 1), 1)),
                    content: one(&one(&metadata, 1), 2),
                    scalar: one(&value, 2).try_into().ok().map(f32::from_le_bytes),
                    tensor: one(&value, 8),
                    description: text(one(&metadata, 3)),
                };
                values.entry(text(one(&value, 1))).or_default().push(shown);
            }
        }
        Self { values, graphs: records.iter().flat_map(|record| all(record, 4)).collect() }
    }

    #[track_caller]
    fn only(&self, tag: &str) -> &Shown {
        let shown = &self.values[tag];
        assert_eq!(shown.len(), 1, "{tag}");
        &shown[0]
    }

    fn steps(&self, tag: &str) -> Vec<u64> {
        self.values[tag].iter().map(|shown| shown.step).collect()
    }

    /// The tags that begin with this.
    fn tags(&self, prefix: &str) -> Vec<&str> {
        self.values.keys().map(String::as_str).filter(|tag| tag.starts_with(prefix)).collect()
    }

    /// The status with which the run ended, if it did.
    fn status(&self) -> Option<u64> {
        let end = &self.values.get("_hparams_/session_end_info")?[0];
        Some(u64::from_le_bytes(word(&one(&end.content, 4), 1)))
    }
}

/// The name of a parameter in tags: layer and field.
fn parameter_names(network: &Network) -> Vec<String> {
    let named = |layer: &vgg_wgpu::model::Layer| {
        let of = layer.kind.parameters().into_iter();
        let name = |index: usize| network.parameters[index].name.rsplit('.').next().unwrap().to_owned();
        of.map(|index| (index, format!("{}.{}", layer.name, name(index)))).collect::<Vec<_>>()
    };
    let names: BTreeMap<usize, String> = network.layers.iter().flat_map(named).collect();
    names.into_values().collect()
}

fn check_graph(graph: &[u8], network: &Network) {
    let nodes = all(graph, 1);
    assert_eq!(nodes.len(), 1 + network.layers.len());
    let name = |node: &[u8]| text(one(node, 1));
    let shape = |node: &[u8]| -> Vec<i64> {
        let attributes = all(node, 5);
        let attribute = attributes.iter().find(|entry| one(entry, 1) == b"_output_shapes").unwrap();
        let shape = one(&one(&one(attribute, 2), 1), 7);
        all(&shape, 2).iter().map(|dim| i64::from_le_bytes(word(dim, 1))).collect()
    };
    assert_eq!(shape(&nodes[0]), [-1, 28, 28, 1]);
    for (index, layer) in network.layers.iter().enumerate() {
        let node = &nodes[index + 1];
        assert_eq!(name(node).rsplit('/').next(), Some(layer.name.as_str()));
        assert_eq!(text(one(node, 3)), name(&nodes[index]), "its input");
        let dims = layer.output.dims().iter().map(|&extent| extent as i64);
        assert_eq!(shape(node), [-1].into_iter().chain(dims).collect::<Vec<_>>());
    }
    let in_scope = |scope: &str| nodes.iter().filter(|node| name(node).starts_with(scope)).count();
    // Two convolutions, each with batch norm and ReLU, and pooling; three linear layers, two with ReLU and dropout.
    assert_eq!((in_scope("block1/"), in_scope("classifier/")), (7, 7));
}

#[test]
fn a_run_is_shown_whole_and_trains_the_same() {
    let folder = digits();
    let here = folder.path();
    let line = "train --device cpu --recipe quick --width 0.0625 --hidden 16 --batch-size 64 --epochs 2 --steps 110 --mixup-alpha 0.2";
    let train = |run: &str, flags: &str| {
        let line = format!("{line} {} --output-dir {run}{flags}", DIGITS.join(" "));
        command::succeed(here, &words(&line));
    };
    train("shown", " --tensorboard");
    train("plain", "");
    let run = here.join("shown");
    runs::assert_same_run(&run, &here.join("plain"));

    let events = Events::read(&run);
    let config = TrainConfig::from_file(&run.join("config.toml")).unwrap();
    let network = config.vgg(1, 10).network().unwrap();
    assert_eq!(events.steps("learning_rate"), (1..=11).map(|point| 10 * point).collect::<Vec<_>>());
    assert_eq!(events.steps("loss/test"), [100, 110]);
    assert!(events.values["accuracy/test"].iter().all(|shown| shown.scalar.is_some()));

    // Settings, with their types.
    let start = events.only("_hparams_/session_start_info");
    assert_eq!(start.plugin, "hparams");
    let hparams: BTreeMap<String, Vec<u8>> =
        all(&one(&start.content, 3), 1).iter().map(|entry| (text(one(entry, 1)), one(entry, 2))).collect();
    assert_eq!(f64::from_le_bytes(word(&hparams["mixup_alpha"], 2)), 0.2);
    assert_eq!(text(one(&hparams["data"], 3)), "idx:digits");
    assert_eq!(text(one(&hparams["clip_grad_norm"], 3)), "unset");
    assert!(hparams.contains_key("hflip") && !hparams.contains_key("output_dir"));
    assert_eq!(events.status(), Some(1), "success");

    assert_eq!(events.graphs.len(), 1);
    check_graph(&events.graphs[0], &network);

    // Every value of every parameter at the end of both epochs; the last ones are those of the checkpoint.
    let weights = Weights::read(&run.join("checkpoint.safetensors"), None).unwrap();
    let names = parameter_names(&network);
    assert_eq!(events.tags("parameters/").len(), names.len());
    let fused = |layer: &vgg_wgpu::model::Layer| match layer.kind {
        LayerKind::Linear(parameters) => Some(parameters.weight),
        _ => None,
    };
    let fused: Vec<usize> = network.layers.iter().filter_map(fused).collect();
    for (index, parameter) in network.parameters.iter().enumerate() {
        let tag = format!("parameters/{}", names[index]);
        assert_eq!(events.steps(&tag), [100, 110], "{tag}");
        let values = weights.values(index);
        let limits = [f32::min, f32::max].map(|f| f64::from(values.iter().copied().reduce(f).unwrap()));
        assert_eq!(events.values[&tag][1].ends(), limits, "{tag}");
        assert!(events.values[&tag].iter().all(|shown| shown.count() == values.len() as f64), "{tag}");
        // Linear weights are updated together with their gradient, which is not stored.
        let gradient = events.values.get(&format!("gradients/{}", names[index]));
        assert_eq!(gradient.is_some(), parameter.trained() && !fused.contains(&index), "{tag}");
        assert!(gradient.is_none_or(|shown| shown[1].count() == values.len() as f64), "{tag}");
    }

    let training = events.only("training images");
    assert_eq!((training.step, training.pictures().len()), (0, 8));
    let picture = &training.pictures()[0];
    assert_eq!((picture.width(), picture.height(), picture.color()), (28, 28, image::ColorType::L8));
    assert_eq!(training.description.split("Classes: ").nth(1).unwrap().split(", ").count(), 8);
    assert_eq!(events.only("confusion matrix").pictures()[0].height(), 400);
    let wrong = events.tags("wrong answers/");
    assert!((1..=25).contains(&wrong.len()) && wrong[0].starts_with("wrong answers/01: "), "{wrong:?}");
    let picture = &events.only(wrong[0]).pictures()[0];
    assert_eq!((picture.width(), picture.height()), (28, 28));
}

/// The weights of a resumed run are on the device already when its training images are prepared.
#[test]
fn a_resumed_run_trains_the_same() {
    let config = |folder: &Path| TrainConfig { mixup_alpha: 0.2, epochs: 1, ..runs::config(folder) };
    let [whole, resumed] = [0; 2].map(|_| tempfile::tempdir().unwrap());
    runs::finish(&mut runs::start(&config(whole.path())));
    let mut trainer = runs::start(&config(resumed.path()));
    runs::interrupt(&mut trainer, |event| matches!(event, Event::Step(step) if step.step == 9));
    drop(trainer);
    let mut trainer = runs::resume(resumed.path(), "").unwrap();
    let mut board = TensorBoard::create(resumed.path()).unwrap();
    let config = config(resumed.path());
    let [train, _] = loaders(&config, &runs::data()).unwrap();
    board.begin(&mut trainer, &config, &train).unwrap();
    trainer.run(&AtomicBool::new(false), &mut board).unwrap();
    board.finish().unwrap();
    runs::assert_same_run(whole.path(), resumed.path());
    let events = Events::read(resumed.path());
    assert_eq!((events.only("training images").step, events.status()), (9, Some(1)));
}

#[test]
fn a_run_that_fails_is_marked() {
    let folder = digits();
    let line = "train --device cpu --recipe quick --width 0.0625 --hidden 16 --batch-size 64 --epochs 1 --lr 100 --norm none --output-dir run";
    let line =
        format!("{line} --lr-scheduler constant --lr-warmup-epochs 0 --tensorboard {}", DIGITS.join(" "));
    command::fail(folder.path(), &words(&line), 1, &["training loss"]);
    assert_eq!(Events::read(&folder.path().join("run")).status(), Some(2), "failure");
}

/// Validation images choose the epoch; the test accuracy comes once at the end.
#[test]
fn validation_comes_by_epoch_and_the_test_at_the_end() {
    let folder = digits();
    let line = "train --device cpu --recipe quick --width 0.0625 --hidden 16 --batch-size 64 --epochs 2 --steps 60 --val-fraction 0.5";
    let line = format!("{line} --output-dir run --tensorboard {}", DIGITS.join(" "));
    command::succeed(folder.path(), &words(&line));
    let events = Events::read(&folder.path().join("run"));
    assert_eq!(events.steps("accuracy/validation"), [50, 60]);
    assert_eq!(events.steps("accuracy/test"), [60]);
}

/// A batch without augmentation is as in the data set.
#[test]
fn the_network_sees_the_images() {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig { rotate: 0.0, translate: 0.0, ..runs::config(folder.path()) };
    let mut trainer = runs::start(&config);
    let [train, _] = loaders(&config, &runs::data()).unwrap();
    let batch = train.epoch(0, 0).unwrap().next().unwrap().unwrap();
    assert_eq!(trainer.session().prepared(&batch).unwrap(), (batch.images.clone(), [28, 28]));
    drop(trainer);
    // Mixed with each other, the images are others.
    let config = TrainConfig { mixup_alpha: 1.0, seed: 12, ..config };
    let mut trainer = runs::start(&config);
    let [train, _] = loaders(&config, &runs::data()).unwrap();
    let batch = train.epoch(0, 0).unwrap().next().unwrap().unwrap();
    let (bytes, _) = trainer.session().prepared(&batch).unwrap();
    assert_ne!(bytes, batch.images);
}

/// One step of plain gradient descent moves the weights by the gradient times the learning rate.
#[test]
fn gradients_are_those_of_the_last_step() {
    struct Reader(Vec<(Vec<f32>, Option<Vec<f32>>)>);
    impl Observer for Reader {
        fn event(&mut self, _: &Event<'_>) {}
        fn epoch_done(&mut self, _: &Row, session: &mut Session) -> Result<(), TrainError> {
            for index in 0..session.network().parameters.len() {
                self.0.push((session.values(index)?, session.gradient(index)?));
            }
            Ok(())
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let config = one_step(folder.path());
    let mut trainer = runs::start(&config);
    let mut read = Reader(Vec::new());
    trainer.run(&AtomicBool::new(false), &mut read).unwrap();
    let network = trainer.session().network().clone();
    for (index, (parameter, (after, gradient))) in network.parameters.iter().zip(&read.0).enumerate() {
        assert_eq!(gradient.is_some(), parameter.trained(), "{}", parameter.name);
        let Some(gradient) = gradient else { continue };
        let before = parameter.initial(config.seed, index);
        for ((before, after), gradient) in before.iter().zip(after).zip(gradient) {
            // The product and the difference are rounded once each.
            let tolerance = f32::EPSILON * (before.abs() + after.abs() + (config.lr as f32 * gradient).abs());
            let error = (before - after - config.lr as f32 * gradient).abs();
            assert!(error <= tolerance, "{}: {before} - {after}, gradient {gradient}", parameter.name);
        }
    }
}

fn one_step(folder: &Path) -> TrainConfig {
    TrainConfig {
        opt: Optimizer::Sgd,
        momentum: Some(0.0),
        lr: 0.5,
        lr_scheduler: vgg_wgpu::train::LrScheduler::Constant,
        lr_warmup_epochs: 0.0,
        steps: Some(1),
        ..runs::config(folder)
    }
}

/// In mixed precision gradients are multiplied by 65536, which the histograms take back.
#[test]
fn gradients_in_mixed_precision_have_their_own_size() {
    let ends = [Precision::F32, Precision::Mixed].map(|precision| {
        let folder = tempfile::tempdir().unwrap();
        let config = TrainConfig { precision, ..one_step(folder.path()) };
        let data = runs::data();
        let network = config.vgg(1, 4).network().unwrap();
        let limits = DeviceLimits { f16: true, ..DeviceLimits::NONE };
        let lowered = lower(&network, &config.settings(&*data.train, limits)).unwrap();
        let executor = Box::new(CpuExecutor::<f32>::new(lowered.program.clone()));
        let session = Session::new(executor, &lowered, network);
        let directory = RunDirectory::create(&config).unwrap();
        let mut board = TensorBoard::create(directory.path()).unwrap();
        let mut trainer = Trainer::new(session, config.clone(), &data, directory).unwrap();
        let [train, _] = loaders(&config, &data).unwrap();
        board.begin(&mut trainer, &config, &train).unwrap();
        trainer.run(&AtomicBool::new(false), &mut board).unwrap();
        board.finish().unwrap();
        let events = Events::read(folder.path());
        assert_eq!(events.only("training images").pictures().len(), 8);
        events.only("gradients/fc3.weight").ends()
    });
    // A hundred times the rounding of f16, for the sums of all layers.
    for (one, other) in ends[0].iter().zip(ends[1]) {
        assert!((one - other).abs() <= 0.05 * one.abs(), "{ends:?}");
    }
}
