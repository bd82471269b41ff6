//! The content of batches, and the end of their thread.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::data::{Crop, Normalization};

/// Image `i` is 2 x 3 pixels of value `i`, and of class `i % 4`.
struct Numbers {
    pixels: Vec<u8>,
    class_names: Vec<String>,
    normalization: Normalization,
    /// Reading this image panics.
    poison: Option<usize>,
    /// Reading this image fails.
    lost: Option<usize>,
    read: AtomicUsize,
}

impl Dataset for Numbers {
    fn name(&self) -> &str {
        "numbers"
    }
    fn len(&self) -> usize {
        self.pixels.len() / 6
    }
    fn height(&self) -> usize {
        2
    }
    fn width(&self) -> usize {
        3
    }
    fn channels(&self) -> usize {
        1
    }
    fn class_names(&self) -> &[String] {
        &self.class_names
    }
    fn read(&self, index: usize, _crop: Crop<'_>, pixels: &mut [u8]) -> Result<(), PictureError> {
        assert_ne!(Some(index), self.poison, "poisoned image");
        if Some(index) == self.lost {
            let (file, error) = (format!("image {index}"), std::io::ErrorKind::NotFound.into());
            return Err(PictureError::Io { file, error });
        }
        self.read.fetch_add(1, Ordering::SeqCst);
        pixels.copy_from_slice(&self.pixels[index * 6..][..6]);
        Ok(())
    }
    fn label(&self, index: usize) -> u32 {
        index as u32 % 4
    }
    fn normalization(&self) -> &Normalization {
        &self.normalization
    }
}

fn numbers_with(len: u8, poison: Option<usize>) -> Arc<Numbers> {
    Arc::new(Numbers {
        pixels: (1..=len).flat_map(|value| [value - 1; 6]).collect(),
        class_names: (0..4).map(|class| class.to_string()).collect(),
        normalization: Normalization { mean: vec![0.0], std: vec![1.0] },
        poison,
        lost: None,
        read: AtomicUsize::new(0),
    })
}

fn numbers(len: u8) -> Arc<Numbers> {
    numbers_with(len, None)
}

fn augmentation() -> Augmentation {
    Augmentation::new(10.0, 0.05).unwrap()
}

#[test]
fn a_training_epoch_has_each_image_once_except_the_last_ones() {
    let loader = Loader::train(numbers(23), 5, 7, augmentation()).unwrap();
    assert_eq!(loader.batches_per_epoch(), 4);
    let order = permutation(23, 7, 2);
    let batches: Vec<Batch> = loader.epoch(2, 0).unwrap().map(Result::unwrap).collect();
    assert_eq!(batches.len(), 4);
    for (index, (batch, samples)) in batches.iter().zip(order.chunks_exact(5)).enumerate() {
        assert_eq!((batch.valid, batch.epoch, batch.index), (5, 2, index));
        for (i, &sample) in samples.iter().enumerate() {
            assert_eq!(batch.images[i * 6..][..6], [sample as u8; 6]);
            assert_eq!(batch.labels[i], sample % 4);
            assert_eq!(batch.transforms[i * 6..][..6], augmentation().inverse_affine(7, 2, sample, 2, 3));
        }
        assert_eq!((batch.images.len(), batch.labels.len(), batch.transforms.len()), (30, 5, 30));
    }
}

#[test]
fn an_evaluation_has_every_image_in_order_and_the_number_of_real_ones() {
    let loader = Loader::evaluate(numbers(7), 4).unwrap();
    assert_eq!(loader.batches_per_epoch(), 2);
    let batches: Vec<Batch> = loader.epoch(0, 0).unwrap().map(Result::unwrap).collect();
    assert_eq!((batches[0].valid, &batches[0].labels[..]), (4, &[0u32, 1, 2, 3][..]));
    let last = &batches[1];
    assert_eq!((last.valid, &last.labels[..]), (3, &[0u32, 1, 2, 0][..]));
    assert_eq!(last.images[12..], [6, 6, 6, 6, 6, 6, 0, 0, 0, 0, 0, 0]);
    assert_eq!(last.transforms, IDENTITY.repeat(4));

    let one: Vec<Batch> =
        Loader::evaluate(numbers(3), 8).unwrap().epoch(0, 0).unwrap().map(Result::unwrap).collect();
    assert_eq!((one.len(), one[0].valid, one[0].images.len()), (1, 3, 48));
}

/// Recycled memory has no old values, and is reused: a batch comes back at an address seen before.
#[test]
fn recycled_batches_are_like_new_ones() {
    let loader = Loader::evaluate(numbers(101), 4).unwrap();
    let fresh: Vec<Batch> = loader.epoch(0, 0).unwrap().map(Result::unwrap).collect();
    let mut batches = loader.epoch(0, 0).unwrap();
    let mut addresses = std::collections::BTreeSet::new();
    for expected in &fresh {
        let batch = batches.next().unwrap().unwrap();
        assert_eq!(&batch, expected);
        addresses.insert(batch.images.as_ptr() as usize);
        batches.recycle(batch);
    }
    assert!(batches.next().is_none());
    // Two in the queue, one being made, one here, and one being returned.
    assert!(addresses.len() <= 5, "{} buffers for {} batches", addresses.len(), fresh.len());
}

#[test]
fn an_epoch_resumes_at_its_end_and_not_after_it() {
    let loader = Loader::train(numbers(23), 5, 7, Augmentation::NONE).unwrap();
    assert_eq!(loader.epoch(0, 4).unwrap().count(), 0);
    assert_eq!(loader.epoch(0, 1).unwrap().len(), 3);
    let error = loader.epoch(0, 5).unwrap_err().to_string();
    assert!(error.contains("4 batches") && error.contains("batch 5"), "{error}");
}

#[test]
fn impossible_batches_are_refused() {
    let train =
        |len, batch| Loader::train(numbers(len), batch, 0, Augmentation::NONE).err().unwrap().to_string();
    let error = train(3, 4);
    assert!(error.contains("numbers has 3 training images, fewer than one batch of 4"), "{error}");
    assert!(train(3, 0).contains("batch of 0"));
    for batch in [usize::MAX, usize::MAX / 8, 1 << 48] {
        let error = Loader::evaluate(numbers(3), batch).err().unwrap().to_string();
        assert!(error.contains(&format!("{batch} images of 2 x 3 x 1")), "{error}");
    }
}

/// Dropped at once, midway, and with a full queue: the thread ends promptly each time.
#[test]
fn dropping_the_batches_ends_the_thread() {
    let set = numbers(200);
    for taken in [0, 1, 3, 50] {
        let loader = Loader::train(Arc::clone(&set) as Arc<dyn Dataset>, 1, 0, Augmentation::NONE).unwrap();
        let mut batches = loader.epoch(0, 0).unwrap();
        assert_eq!(batches.by_ref().take(taken).count(), taken);
        thread::sleep(Duration::from_millis(5));
        drop(batches);
        drop(loader);
        // Joined: no thread refers to the set any more.
        assert_eq!(Arc::strong_count(&set), 1, "after {taken} batches");
    }
}

/// The thread is ahead by at most the queue and the batch that it is making.
#[test]
fn the_thread_runs_ahead_by_a_bounded_number_of_batches() {
    let set = numbers(200);
    let batches = Loader::evaluate(Arc::clone(&set) as Arc<dyn Dataset>, 1).unwrap().epoch(0, 0).unwrap();
    thread::sleep(Duration::from_millis(50));
    assert!(set.read.load(Ordering::SeqCst) <= PREFETCH_BATCHES + 1);
    assert_eq!(batches.count(), 200);
}

#[test]
fn a_panic_in_the_thread_comes_out_of_next() {
    let mut batches = Loader::evaluate(numbers_with(9, Some(5)), 2).unwrap().epoch(0, 0).unwrap();
    let mut index = || batches.next().unwrap().unwrap().index;
    assert_eq!((index(), index()), (0, 1));
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| batches.next())).unwrap_err();
    assert!(panic.downcast_ref::<String>().is_some_and(|text| text.contains("poisoned image")));
    assert!(batches.next().is_none());
}

#[test]
fn an_image_that_is_gone_is_named_and_ends_the_epoch() {
    let mut set = numbers(9);
    Arc::get_mut(&mut set).unwrap().lost = Some(5);
    let mut batches = Loader::evaluate(set, 2).unwrap().epoch(0, 0).unwrap();
    assert!(batches.next().unwrap().is_ok() && batches.next().unwrap().is_ok());
    let error = batches.next().unwrap().unwrap_err().to_string();
    assert!(error.contains("numbers: files have changed") && error.contains("image 5"), "{error}");
    assert!(batches.next().is_none());
}

proptest! {
    /// From any batch on, a resumed epoch is the uninterrupted one, bit for bit.
    #[test]
    fn a_resumed_epoch_equals_the_uninterrupted_one(
        len in 1u8..60, batch in 1usize..9, seed: u64, epoch: u32, start in 0usize..60,
    ) {
        prop_assume!(batch <= usize::from(len));
        let loader = Loader::train(numbers(len), batch, seed, augmentation()).unwrap();
        let start = start.min(loader.batches_per_epoch());
        let whole: Vec<Batch> = loader.epoch(epoch, 0).unwrap().map(Result::unwrap).collect();
        let rest: Vec<Batch> = loader.epoch(epoch, start).unwrap().map(Result::unwrap).collect();
        prop_assert_eq!(&whole[start..], &rest[..]);
    }
}
