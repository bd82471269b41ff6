//! Batches in a seeded order, made ahead of time by a thread.

mod error;

pub use error::LoaderError;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::{Augmentation, Dataset, IDENTITY, permutation, picture::PictureError};

/// Finished batches that wait for the consumer.
const PREFETCH_BATCHES: usize = 2;

/// The images of one training step or one step of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The images, `[N, H, W, C]`, channels last; zeros from `valid` on.
    pub images: Vec<u8>,
    /// The labels, `[N]`; zeros from `valid` on.
    pub labels: Vec<u32>,
    /// The transform of each image, `[N, 6]`, as [`Augmentation::inverse_affine`] gives it; the identity from
    /// `valid` on and in an evaluation.
    pub transforms: Vec<f32>,
    /// How many images are real; the rest fill up an evaluation's last batch.
    pub valid: usize,
    /// The epoch, counted from 0.
    pub epoch: u32,
    /// Which batch of the epoch, counted from 0.
    pub index: usize,
}

/// What turns a data set into batches of one size.
///
/// Training takes the images in an order of its own in each epoch and drops the last, incomplete batch (its
/// images come up in other epochs); an evaluation takes them all, in their own order, and fills the last batch up.
/// What a batch holds depends only on the data set, the batch size, the seed, the augmentation, the epoch and
/// the batch's index.
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
    /// What of it the device does: all of it, but where the set crops.
    transform: Augmentation,
}

impl Loader {
    /// Shuffled, augmented, complete batches of `batch` images.
    ///
    /// # Errors
    /// [`LoaderError`] where the set has fewer images than one batch, or the batch is impossibly large.
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
        Self::new(dataset, batch, Some(Training { seed, augmentation, transform }))
    }

    /// All images in their own order, the last batch filled up to `batch` images.
    ///
    /// A set smaller than one batch gives one batch.
    ///
    /// # Errors
    /// [`LoaderError`] where the batch is empty or impossibly large.
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

    /// The images that are drawn from.
    pub fn dataset(&self) -> &Arc<dyn Dataset> {
        &self.dataset
    }

    /// Images in each batch, N.
    pub fn batch_size(&self) -> usize {
        self.batch
    }

    /// Batches in each epoch: whole ones when training, all of them in an evaluation.
    pub fn batches_per_epoch(&self) -> usize {
        match self.training {
            Some(_) => self.dataset.len() / self.batch,
            None => self.dataset.len().div_ceil(self.batch),
        }
    }

    /// The batches of one epoch from `start_batch` on, which are those an uninterrupted epoch gives there.
    ///
    /// Starts the thread that makes them. `start_batch` may be [`batches_per_epoch`](Self::batches_per_epoch),
    /// where an epoch has ended: then there are none.
    ///
    /// # Errors
    /// [`LoaderError`] where the epoch has fewer batches, or no thread can be started.
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

    /// The thread's work: ends early where the consumer is gone.
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

    /// The images are read side by side, as the files of a folder are to be decoded.
    fn fill(
        &self,
        spare: Option<Batch>,
        samples: &[u32],
        epoch: u32,
        index: usize,
    ) -> Result<Batch, LoaderError> {
        let (height, width) = (self.dataset.height(), self.dataset.width());
        let image_bytes = height * width * self.dataset.channels();
        let (mut images, mut labels, mut transforms) = match spare {
            Some(batch) => (batch.images, batch.labels, batch.transforms),
            None => (
                Vec::with_capacity(self.batch * image_bytes),
                Vec::with_capacity(self.batch),
                Vec::with_capacity(self.batch * IDENTITY.len()),
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
                self.dataset.read(sample as usize, &crop, pixels).err()
            })
            .collect();
        if !failed.is_empty() {
            let files: Vec<String> = failed.iter().map(PictureError::to_string).collect();
            return Err(LoaderError::Changed { name: self.dataset.name().to_owned(), files });
        }
        labels.clear();
        transforms.clear();
        for &sample in samples {
            labels.push(self.dataset.label(sample as usize));
            transforms.extend(match self.training {
                Some(Training { seed, transform, .. }) => {
                    transform.inverse_affine(seed, epoch, sample, height, width)
                }
                None => IDENTITY,
            });
        }
        for _ in samples.len()..self.batch {
            transforms.extend(IDENTITY);
        }
        labels.resize(self.batch, 0);
        Ok(Batch { images, labels, transforms, valid: samples.len(), epoch, index })
    }
}

/// A trial, so that a batch beyond the machine is an error before the first epoch and not an abort within it.
fn can_allocate(bytes: usize) -> bool {
    let mut trial = Vec::<u8>::new();
    let done = trial.try_reserve_exact(bytes).is_ok();
    // Memory that nobody looks at need not be taken at all.
    std::hint::black_box(&trial);
    done
}

/// The batches of an epoch, made up to two ahead by a thread; dropping it ends the thread.
///
/// # Panics
/// `next` repeats a panic of the thread, which only a [`Dataset`] can cause.
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
    /// Gives a batch's memory back for a later batch; a batch kept or dropped instead costs an allocation.
    pub fn recycle(&self, batch: Batch) {
        // Where the thread has made its last batch, nobody wants the memory.
        let _ = self.used.send(batch);
    }

    /// How long the consumer has waited for batches that were not made yet.
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
            // A panic in batches that nobody asked for is not the consumer's.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
