//! Batches in a seeded order, prefetched by a thread.

mod error;

pub use error::LoaderError;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::{Augmentation, Dataset, IDENTITY, Mixing, permutation, picture::PictureError};
use crate::ops::Mix;

/// Finished batches in the queue.
const PREFETCH_BATCHES: usize = 2;

/// The images of one step of training or evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The images, `[N, H, W, C]`, channels last; zeros from `valid` on.
    pub images: Vec<u8>,
    /// The labels, `[N]`; zeros from `valid` on.
    pub labels: Vec<u32>,
    /// The transform of each image, `[N, 6]`, from [`Augmentation::inverse_affine`]; the identity from `valid` on and in an
    /// evaluation.
    pub transforms: Vec<f32>,
    /// How each image is erased and mixed, `[N]`; empty if none is.
    pub mixes: Vec<Mix>,
    /// The number of real images; the rest pad an evaluation's last batch.
    pub valid: usize,
    /// The epoch, counted from 0.
    pub epoch: u32,
    /// The batch's index in the epoch, counted from 0.
    pub index: usize,
}

/// Turns a data set into batches of one size.
///
/// Training shuffles the images in each epoch and drops the last, incomplete batch (its images come up in other
/// epochs); an evaluation takes all images in order and pads the last batch. The content of a batch depends only on the
/// data set, the batch size, the seed, the augmentation, the epoch and the batch's index.
#[derive(Clone)]
pub struct Loader {
    dataset: Arc<dyn Dataset>,
    batch: usize,
    training: Option<Training>,
}

#[derive(Clone, Copy)]
struct Training {
    seed: u64,
    augmentation: Augmentation,
    /// The part of the augmentation that the device does: all of it, unless the set crops.
    transform: Augmentation,
    mixing: Option<Mixing>,
}

impl Loader {
    /// Shuffled, augmented, complete batches of `batch` images.
    ///
    /// # Errors
    /// [`LoaderError`] if the set has fewer images than one batch, or the batch is impossibly large.
    pub fn train(
        dataset: Arc<dyn Dataset>,
        batch: usize,
        seed: u64,
        augmentation: Augmentation,
    ) -> Result<Self, LoaderError> {
        if batch > dataset.len() {
            let (name, len) = (dataset.name().to_owned(), dataset.len());
            return Err(LoaderError::BatchLargerThanSet { name, len, batch });
        }
        let transform = if dataset.crops() { augmentation.resized_crop(false) } else { augmentation };
        Self::new(dataset, batch, Some(Training { seed, augmentation, transform, mixing: None }))
    }

    /// A training loader whose images are also erased and mixed.
    pub fn mixed(mut self, mixing: Option<Mixing>) -> Self {
        self.training = self.training.map(|training| Training { mixing, ..training });
        self
    }

    /// All images in order, the last batch padded to `batch` images.
    ///
    /// A set smaller than one batch is one batch.
    ///
    /// # Errors
    /// [`LoaderError`] if the batch is empty or impossibly large.
    pub fn evaluate(dataset: Arc<dyn Dataset>, batch: usize) -> Result<Self, LoaderError> {
        Self::new(dataset, batch, None)
    }

    fn new(dataset: Arc<dyn Dataset>, batch: usize, training: Option<Training>) -> Result<Self, LoaderError> {
        if batch == 0 {
            return Err(LoaderError::BatchOfNone);
        }
        if u32::try_from(dataset.len()).is_err() {
            let (name, len) = (dataset.name().to_owned(), dataset.len());
            return Err(LoaderError::SetTooLarge { name, len });
        }
        let size = [dataset.height(), dataset.width(), dataset.channels()];
        let bytes = size.iter().try_fold(batch, |product, &factor| product.checked_mul(factor));
        if !bytes.is_some_and(can_allocate) {
            return Err(LoaderError::Memory { batch, size });
        }
        Ok(Self { dataset, batch, training })
    }

    /// The data set.
    pub fn dataset(&self) -> &Arc<dyn Dataset> {
        &self.dataset
    }

    /// Images in each batch, N.
    pub fn batch_size(&self) -> usize {
        self.batch
    }

    /// Batches in each epoch: only complete ones in training, all of them in an evaluation.
    pub fn batches_per_epoch(&self) -> usize {
        match self.training {
            Some(_) => self.dataset.len() / self.batch,
            None => self.dataset.len().div_ceil(self.batch),
        }
    }

    /// The batches of one epoch from `start_batch` on, the same as in an uninterrupted epoch.
    ///
    /// Starts the thread that makes them. `start_batch` may be [`batches_per_epoch`](Self::batches_per_epoch), the end of
    /// the epoch: then there are none.
    ///
    /// # Errors
    /// [`LoaderError`] if the epoch has fewer batches, or no thread can be started.
    pub fn epoch(&self, epoch: u32, start_batch: usize) -> Result<Batches, LoaderError> {
        let batches = self.batches_per_epoch();
        if start_batch > batches {
            return Err(LoaderError::StartBeyondEpoch { start_batch, batches });
        }
        let (finished, receiver) = sync_channel(PREFETCH_BATCHES);
        let (used, spare) = channel();
        let loader = self.clone();
        let thread = thread::Builder::new()
            .name("batches".to_owned())
            .spawn(move || loader.produce(epoch, start_batch..batches, &finished, &spare))
            .map_err(|error| LoaderError::Thread { error })?;
        Ok(Batches {
            receiver: Some(receiver),
            used,
            thread: Some(thread),
            remaining: batches - start_batch,
            waited: Duration::ZERO,
        })
    }

    /// The thread's work; ends early if the consumer is gone.
    fn produce(
        &self,
        epoch: u32,
        indices: std::ops::Range<usize>,
        finished: &SyncSender<Result<Batch, LoaderError>>,
        spare: &Receiver<Batch>,
    ) {
        let len = self.dataset.len() as u32;
        let order = match self.training {
            Some(Training { seed, .. }) => permutation(len, seed, epoch),
            None => (0..len).collect(),
        };
        for index in indices {
            let samples = &order[index * self.batch..order.len().min((index + 1) * self.batch)];
            let batch = self.fill(spare.try_recv().ok(), samples, epoch, index);
            let failed = batch.is_err();
            if finished.send(batch).is_err() || failed {
                return;
            }
        }
    }

    /// Reads the images in parallel, because the files of a folder have to be decoded.
    fn fill(
        &self,
        spare: Option<Batch>,
        samples: &[u32],
        epoch: u32,
        index: usize,
    ) -> Result<Batch, LoaderError> {
        let (height, width) = (self.dataset.height(), self.dataset.width());
        let image_bytes = height * width * self.dataset.channels();
        let (mut images, mut labels, mut transforms, mut mixes) = match spare {
            Some(batch) => (batch.images, batch.labels, batch.transforms, batch.mixes),
            None => (
                Vec::with_capacity(self.batch * image_bytes),
                Vec::with_capacity(self.batch),
                Vec::with_capacity(self.batch * IDENTITY.len()),
                Vec::new(),
            ),
        };
        images.resize(self.batch * image_bytes, 0);
        let (real, padding) = images.split_at_mut(samples.len() * image_bytes);
        padding.fill(0);
        let failed: Vec<PictureError> = real
            .par_chunks_exact_mut(image_bytes)
            .zip(samples)
            .filter_map(|(pixels, &sample)| {
                let crop = |size| {
                    let Training { seed, augmentation, .. } = self.training?;
                    augmentation.crop(seed, epoch, sample, size)
                };
                let read = self.dataset.read(sample as usize, &crop, pixels);
                if let Some(Training { seed, augmentation, .. }) = self.training {
                    augmentation.tone(seed, epoch, sample, [height, width], pixels);
                }
                read.err()
            })
            .collect();
        if !failed.is_empty() {
            let files: Vec<String> = failed.iter().map(PictureError::to_string).collect();
            return Err(LoaderError::Changed { name: self.dataset.name().to_owned(), files });
        }
        labels.clear();
        transforms.clear();
        mixes.clear();
        for &sample in samples {
            labels.push(self.dataset.label(sample as usize));
            transforms.extend(match self.training {
                Some(Training { seed, transform, .. }) => {
                    transform.inverse_affine(seed, epoch, sample, height, width)
                }
                None => IDENTITY,
            });
            if let Some(Training { seed, mixing: Some(mixing), .. }) = self.training {
                mixes.push(mixing.of(seed, epoch, sample));
            }
        }
        for _ in samples.len()..self.batch {
            transforms.extend(IDENTITY);
        }
        labels.resize(self.batch, 0);
        Ok(Batch { images, labels, transforms, mixes, valid: samples.len(), epoch, index })
    }
}

/// A trial allocation, so that a batch too large for the machine is an error before the first epoch, not an abort in it.
fn can_allocate(bytes: usize) -> bool {
    let mut trial = Vec::<u8>::new();
    let done = trial.try_reserve_exact(bytes).is_ok();
    // Otherwise the compiler may remove the unused allocation.
    std::hint::black_box(&trial);
    done
}

/// The batches of an epoch, prefetched by a thread up to two ahead; dropping it ends the thread.
///
/// # Panics
/// `next` resumes a panic of the thread, which only a [`Dataset`] can cause.
#[derive(Debug)]
pub struct Batches {
    /// Taken on drop, so that the thread's next send fails and it ends.
    receiver: Option<Receiver<Result<Batch, LoaderError>>>,
    used: Sender<Batch>,
    thread: Option<JoinHandle<()>>,
    remaining: usize,
    waited: Duration,
}

impl Batches {
    /// Returns a batch's memory for reuse; a batch kept or dropped instead costs an allocation.
    pub fn recycle(&self, batch: Batch) {
        // After its last batch the thread needs no more memory.
        let _ = self.used.send(batch);
    }

    /// How long the consumer has waited for batches.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

/// An error is the last item.
impl Iterator for Batches {
    type Item = Result<Batch, LoaderError>;

    fn next(&mut self) -> Option<Self::Item> {
        let begin = Instant::now();
        let batch = self.receiver.as_ref().and_then(|receiver| receiver.recv().ok());
        self.waited += begin.elapsed();
        match batch {
            Some(Ok(_)) => self.remaining -= 1,
            Some(Err(_)) => self.remaining = 0,
            None => {
                if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
                    std::panic::resume_unwind(panic);
                }
            }
        }
        batch
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for Batches {}

impl Drop for Batches {
    fn drop(&mut self) {
        self.receiver = None;
        if let Some(thread) = self.thread.take() {
            // A panic in prefetched batches that were never used does not concern the consumer.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
