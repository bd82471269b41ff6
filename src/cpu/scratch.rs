//! Scratch memory of the operations, allocated once.

use std::sync::{Mutex, PoisonError};

use super::Scalar;

/// The sizes that an operation needs of a [`Scratch`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Scalars for each thread.
    pub lane: usize,
    /// Scalars that all threads share.
    pub shared: usize,
    /// More scalars that all threads share, separate from `shared`.
    pub weights: usize,
    /// Scalars of an activation.
    pub activated: usize,
    /// Scalars of the gradient of an output.
    pub gradient: usize,
    /// Scalars for the sums of reductions.
    pub sums: usize,
    /// Words of 8 bytes for each thread.
    pub words: usize,
}

impl Sizes {
    /// Sizes that are enough for both.
    pub fn max(self, other: Self) -> Self {
        Self {
            lane: self.lane.max(other.lane),
            shared: self.shared.max(other.shared),
            weights: self.weights.max(other.weights),
            activated: self.activated.max(other.activated),
            gradient: self.gradient.max(other.gradient),
            sums: self.sums.max(other.sums),
            words: self.words.max(other.words),
        }
    }
}

/// One block of values for each thread.
pub(crate) struct Lanes<S>(Vec<Mutex<Vec<S>>>);

impl<S: Clone> Lanes<S> {
    pub fn new(value: S, len: usize, threads: usize) -> Self {
        Self((0..threads).map(|_| Mutex::new(vec![value.clone(); len])).collect())
    }

    fn bytes(&self) -> usize {
        let block = self.0[0].lock().unwrap_or_else(PoisonError::into_inner);
        self.0.len() * size_of_val(block.as_slice())
    }

    /// Runs `work` with the first `len` values of the calling thread's block, whose contents are undefined.
    ///
    /// `work` must not wait for other threads.
    pub fn with<R>(&self, len: usize, work: impl FnOnce(&mut [S]) -> R) -> R {
        // Threads started later share a block and take turns.
        let index = rayon::current_thread_index().unwrap_or(0) % self.0.len();
        // A poisoned block is fine: its contents are undefined anyway.
        let mut block = self.0[index].lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut block[..len])
    }
}

/// Memory for the time of one operation; its contents are undefined at the start of each.
pub(crate) struct Scratch<S> {
    pub lanes: Lanes<S>,
    pub shared: Vec<S>,
    pub weights: Vec<S>,
    pub activated: Vec<S>,
    pub gradient: Vec<S>,
    pub sums: Vec<S>,
    pub words: Lanes<u64>,
}

impl<S: Scalar> Scratch<S> {
    /// The number of its allocations, for a pool of `threads`.
    pub fn allocations(threads: usize) -> usize {
        2 * threads + 5
    }

    pub fn new(sizes: Sizes, threads: usize) -> Self {
        Self {
            lanes: Lanes::new(S::ZERO, sizes.lane, threads),
            shared: vec![S::ZERO; sizes.shared],
            weights: vec![S::ZERO; sizes.weights],
            activated: vec![S::ZERO; sizes.activated],
            gradient: vec![S::ZERO; sizes.gradient],
            sums: vec![S::ZERO; sizes.sums],
            words: Lanes::new(0, sizes.words, threads),
        }
    }

    /// The size in bytes.
    pub fn bytes(&self) -> u64 {
        let shared = [&self.shared, &self.weights, &self.activated, &self.gradient, &self.sums];
        let shared = shared.iter().map(|block| size_of_val(block.as_slice())).sum::<usize>();
        (self.lanes.bytes() + self.words.bytes() + shared) as u64
    }
}
