//! TensorBoard's event files.
//!
//! A file is a sequence of records: the length (u64), its checksum, the bytes of a protocol-buffers `Event`, their
//! checksum; all little-endian. Checksums are CRC-32C, rotated right by 15 bits, plus 0xa282ead8.
//!
//! # Source
//! TensorFlow: `tsl/lib/io/record_writer.h`, `tensorflow/core/util/event.proto`,
//! `tensorflow/core/framework/summary.proto`.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use prost::Message as _;

use crate::{
    files::FileError,
    train::{Event, Observer, Row, StepEvent},
};

/// An `Event`.
#[derive(Clone, PartialEq, prost::Message)]
struct Record {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// Optimiser steps between two points of the curves.
const STEPS_PER_POINT: u64 = 10;

/// Writes a run's curves for TensorBoard: loss, accuracy, learning rate and images per second by step, and the metrics of
/// each epoch.
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
        new.record(0, Some("brain.Event:2"), &[]);
        Ok(new)
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

    fn record(&mut self, step: u64, file_version: Option<&str>, scalars: &[(&str, f64)]) {
        if self.failed.is_some() {
            return;
        }
        let value =
            |&(tag, value): &(&str, f64)| Value { tag: tag.to_owned(), simple_value: Some(value as f32) };
        let record = Record {
            wall_time: now(),
            step: step as i64,
            file_version: file_version.map(str::to_owned),
            summary: (!scalars.is_empty()).then(|| Summary { value: scalars.iter().map(value).collect() }),
        };
        let written = self.file.write_all(&framed(&record.encode_to_vec()));
        self.failed = written.err();
    }

    fn step(&mut self, step: &StepEvent) {
        if !step.step.is_multiple_of(STEPS_PER_POINT) {
            return;
        }
        let mut scalars =
            vec![("learning_rate", step.learning_rate), ("images_per_second", step.images_per_second)];
        scalars.extend(step.loss.map(|loss| ("running/loss", loss)));
        scalars.extend(step.accuracy.map(|accuracy| ("running/accuracy", accuracy)));
        self.record(step.step, None, &scalars);
    }

    fn epoch(&mut self, row: &Row) {
        let [loss, accuracy] = ["loss", "accuracy"].map(|name| format!("{name}/{}", self.judged_on));
        let scalars = [
            ("loss/train", row.train_loss),
            (loss.as_str(), row.test_loss),
            ("accuracy/train", row.train_accuracy),
            (accuracy.as_str(), row.test_accuracy),
        ];
        self.record(row.step, None, &scalars);
        // Someone watching the run sees whole epochs.
        if let Err(error) = self.file.flush() {
            self.failed.get_or_insert(error);
        }
    }
}

impl Observer for TensorBoard {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Started { judged_on, .. } => self.judged_on = judged_on,
            Event::Step(step) => self.step(step),
            Event::EpochDone { row, .. } => self.epoch(row),
            _ => {}
        }
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
        let value = Value { tag: "loss".to_owned(), simple_value: Some(0.5) };
        let summary = Some(Summary { value: vec![value] });
        let record = Record { wall_time: 2.0, step: 300, file_version: Some("v".to_owned()), summary };
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
