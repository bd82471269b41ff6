//! TensorBoard's event files.
//!
//! A file is a sequence of records: the length (u64), its checksum, the bytes of a protocol-buffers `Event`, their
//! checksum; all little-endian. Checksums are CRC-32C, rotated right by 15 bits, plus 0xa282ead8.
//!
//! # Source
//! TensorFlow: `tsl/lib/io/record_writer.h`.

mod graph;
mod messages;
mod values;

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use prost::Message as _;

use self::{
    graph::{graph_def, parameter_names},
    messages::{Record, SessionEndInfo, Summary, Value},
    values::{histogram, images, scalar, session_end, session_start},
};
use crate::{
    data::{Dataset, Loader, picture::PictureError},
    files::FileError,
    pictures::{Pixels, confusion_pixels},
    train::{Evaluation, Event, Observer, Row, Session, StepEvent, TrainConfig, TrainError, Trainer},
};

/// Optimiser steps between two points of the curves.
const STEPS_PER_POINT: u64 = 10;

/// Training images that are shown.
const IMAGES: usize = 8;
/// The picture of a confusion matrix grows with their square.
const MOST_CLASSES: usize = 1000;

/// Writes a run for TensorBoard: loss, accuracy, learning rate and images per second by step; by epoch the metrics, and histograms of
/// the parameters and their gradients. [`begin`](Self::begin) adds settings, network and training images,
/// [`evaluated`](Self::evaluated) the confusion matrix and wrong answers.
///
/// A failed write does not end the run; [`TensorBoard::finish`] returns the error.
pub struct TensorBoard {
    path: PathBuf,
    file: BufWriter<File>,
    judged_on: &'static str,
    failed: Option<io::Error>,
}

impl TensorBoard {
    /// Creates a new file in a directory, so that a resumed run leaves its earlier files alone.
    ///
    /// # Errors
    /// [`FileError`] if the directory cannot be written to.
    pub fn create(directory: &Path) -> Result<Self, FileError> {
        let (seconds, process) = (now() as u64, std::process::id());
        let path = directory.join(format!("events.out.tfevents.{seconds}.vgg.{process}.0"));
        let file = File::create(&path).map_err(|error| FileError::new("write", &path, error))?;
        let mut new = Self { path, file: BufWriter::new(file), judged_on: "test", failed: None };
        new.record(Record { file_version: Some("brain.Event:2".to_owned()), ..Record::default() });
        Ok(new)
    }

    /// Writes the settings, the network, and the first training images of the next epoch as the network sees them: resized, augmented
    /// and mixed.
    ///
    /// # Errors
    /// As [`Session::prepared`]; [`TrainError::Loader`].
    pub fn begin(
        &mut self,
        trainer: &mut Trainer,
        config: &TrainConfig,
        train: &Loader,
    ) -> Result<(), TrainError> {
        self.summary(0, vec![session_start(config, now())]);
        let graph_def = Some(graph_def(trainer.session().network()).encode_to_vec());
        self.record(Record { graph_def, ..Record::default() });
        let (step, epoch) = (trainer.progress().step, trainer.progress().epoch);
        let Some(batch) = train.epoch(epoch, 0)?.next().transpose()? else { return Ok(()) };
        let (bytes, size) = trainer.session().prepared(&batch)?;
        let (channels, names) = (train.dataset().channels(), train.dataset().class_names());
        let pictures = bytes.chunks_exact(size[0] * size[1] * channels).take(IMAGES);
        let pictures: Vec<Pixels<'_>> = pictures.map(|bytes| Pixels { bytes, size, channels }).collect();
        let classes: Vec<&str> =
            batch.labels.iter().take(pictures.len()).map(|&label| names[label as usize].as_str()).collect();
        let text = format!("Training images as the network sees them. Classes: {}", classes.join(", "));
        self.summary(step, vec![images("training images", text, &pictures)]);
        self.flush();
        Ok(())
    }

    /// Writes the confusion matrix of the test images, and those with a wrong answer among the ones with the highest loss.
    ///
    /// # Errors
    /// As [`Dataset::image`].
    pub fn evaluated(
        &mut self,
        step: u64,
        evaluation: &Evaluation,
        test: &dyn Dataset,
    ) -> Result<(), PictureError> {
        let names = test.class_names();
        let mut values = Vec::new();
        if names.len() <= MOST_CLASSES {
            let (bytes, size) = confusion_pixels(&evaluation.confusion, names);
            let order = names.join(", ");
            let text = format!("A row is a true class, a column a predicted one, both in the order {order}.");
            values.push(images("confusion matrix", text, &[Pixels { bytes: &bytes, size, channels: 3 }]));
        }
        for (index, wrong) in evaluation.hardest.iter().filter(|hard| hard.label != hard.answer).enumerate() {
            let bytes = test.image(wrong.image)?;
            let picture =
                Pixels { bytes: &bytes, size: [test.height(), test.width()], channels: test.channels() };
            let tag = format!(
                "wrong answers/{:02}: {} seen as {}",
                index + 1,
                names[wrong.label],
                names[wrong.answer]
            );
            let text = format!(
                "Test image {}, probability {:.1} %, loss {:.2}",
                wrong.image,
                100.0 * wrong.probability,
                wrong.loss
            );
            values.push(images(&tag, text, &[picture]));
        }
        if self.judged_on != "test" {
            values.push(scalar("loss/test", evaluation.loss()));
            values.push(scalar("accuracy/test", evaluation.accuracy()));
        }
        self.summary(step, values);
        Ok(())
    }

    /// Says that the run ended with an error.
    pub fn fail(&mut self) {
        self.summary(0, vec![session_end(SessionEndInfo::FAILURE, now())]);
    }

    /// Flushes the file.
    ///
    /// # Errors
    /// [`FileError`] from this or any earlier write.
    pub fn finish(mut self) -> Result<(), FileError> {
        let flushed = self.file.flush();
        match self.failed.map_or(flushed, Err) {
            Ok(()) => Ok(()),
            Err(error) => Err(FileError::new("write", &self.path, error)),
        }
    }

    fn record(&mut self, record: Record) {
        if self.failed.is_none() {
            let record = Record { wall_time: now(), ..record };
            self.failed = self.file.write_all(&framed(&record.encode_to_vec())).err();
        }
    }

    fn summary(&mut self, step: u64, value: Vec<Value>) {
        self.record(Record { step: step as i64, summary: Some(Summary { value }), ..Record::default() });
    }

    /// Someone watching the run sees what is complete.
    fn flush(&mut self) {
        if let Err(error) = self.file.flush() {
            self.failed.get_or_insert(error);
        }
    }

    fn step(&mut self, step: &StepEvent) {
        if !step.step.is_multiple_of(STEPS_PER_POINT) {
            return;
        }
        let mut scalars = vec![
            scalar("learning_rate", step.learning_rate),
            scalar("images_per_second", step.images_per_second),
        ];
        scalars.extend(step.loss.map(|loss| scalar("running/loss", loss)));
        scalars.extend(step.accuracy.map(|accuracy| scalar("running/accuracy", accuracy)));
        self.summary(step.step, scalars);
    }

    fn epoch(&mut self, row: &Row) {
        let [loss, accuracy] = ["loss", "accuracy"].map(|name| format!("{name}/{}", self.judged_on));
        let scalars = [
            ("loss/train", row.train_loss),
            (loss.as_str(), row.test_loss),
            ("accuracy/train", row.train_accuracy),
            (accuracy.as_str(), row.test_accuracy),
        ];
        self.summary(row.step, scalars.map(|(tag, value)| scalar(tag, value)).to_vec());
        self.flush();
    }
}

impl Observer for TensorBoard {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Started { judged_on, .. } => self.judged_on = judged_on,
            Event::Step(step) => self.step(step),
            Event::EpochDone { row, .. } => self.epoch(row),
            Event::Finished(_) => self.summary(0, vec![session_end(SessionEndInfo::SUCCESS, now())]),
            _ => {}
        }
    }

    fn epoch_done(&mut self, row: &Row, session: &mut Session) -> Result<(), TrainError> {
        // Gradients are those of the scaled loss.
        let unscale = session.loss_scale()?.map_or(1.0, |state| f64::from(state.unscale));
        for (index, name) in parameter_names(session.network()).iter().enumerate() {
            let values = histogram(&format!("parameters/{name}"), &session.values(index)?, 1.0);
            let gradients = session
                .gradient(index)?
                .and_then(|gradient| histogram(&format!("gradients/{name}"), &gradient, unscale));
            self.summary(row.step, values.into_iter().chain(gradients).collect());
        }
        self.flush();
        Ok(())
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

fn framed(data: &[u8]) -> Vec<u8> {
    let checksum =
        |bytes: &[u8]| crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes();
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &checksum(&length), data, &checksum(data)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The records of a file; panics if a length or a checksum is wrong.
    fn records(mut bytes: &[u8]) -> Vec<Record> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            let data = &bytes[12..][..length];
            assert_eq!(framed(data), bytes[..16 + length]);
            found.push(Record::decode(data).unwrap());
            bytes = &bytes[16 + length..];
        }
        found
    }

    /// The digits `123456789` have the CRC-32C 0xe3069283, its published check value; this is that value, masked by hand.
    #[test]
    fn checksums_are_masked_crc_32c() {
        let record = framed(b"123456789");
        let masked = 0xc78a_b0e5_u32;
        assert_eq!(record[..8], [9, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(record[12..21], *b"123456789");
        assert_eq!(record[21..], masked.to_le_bytes());
    }

    /// Field by field: number and wire type, then the value, as protobuf.dev and TensorFlow's `.proto` files have them.
    #[test]
    fn events_are_encoded_as_documented() {
        let summary = Some(Summary { value: vec![scalar("loss", 0.5)] });
        let file_version = Some("v".to_owned());
        let record = Record { wall_time: 2.0, step: 300, file_version, graph_def: None, summary };
        let bytes = [
            &[1 << 3 | 1, 0, 0, 0, 0, 0, 0, 0, 0x40, 2 << 3, 0xac, 2, 3 << 3 | 2, 1, b'v'][..],
            &[
                5 << 3 | 2,
                13,
                1 << 3 | 2,
                11,
                1 << 3 | 2,
                4,
                b'l',
                b'o',
                b's',
                b's',
                2 << 3 | 5,
                0,
                0,
                0,
                0x3f,
            ],
        ];
        assert_eq!(record.encode_to_vec(), bytes.concat());
    }

    #[test]
    fn a_run_becomes_points() {
        let folder = tempfile::tempdir().unwrap();
        let mut board = TensorBoard::create(folder.path()).unwrap();
        for step in 1..=25 {
            let loss = (step > 10).then_some(0.5);
            board.event(&Event::Step(StepEvent {
                epoch: 1,
                step,
                of: 25,
                loss,
                accuracy: loss,
                learning_rate: 0.0,
                images_per_second: 100.0,
            }));
        }
        let path = board.path.clone();
        board.finish().unwrap();
        let records = records(&std::fs::read(path).unwrap());
        assert_eq!(records[0].file_version.as_deref(), Some("brain.Event:2"));
        let steps: Vec<i64> = records[1..].iter().map(|record| record.step).collect();
        assert_eq!(steps, [10, 20]);
        let tags = |record: &Record| {
            let values = record.summary.clone().unwrap().value;
            values.into_iter().map(|value| (value.tag, value.simple_value.unwrap())).collect::<Vec<_>>()
        };
        assert_eq!(tags(&records[1]), [("learning_rate".into(), 0.0), ("images_per_second".into(), 100.0)]);
        assert_eq!(tags(&records[2])[2..], [("running/loss".into(), 0.5), ("running/accuracy".into(), 0.5)]);
    }

    #[test]
    fn a_place_that_refuses_is_an_error() {
        assert!(TensorBoard::create(Path::new("/nowhere/at/all")).is_err());
    }
}
