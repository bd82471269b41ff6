//! Why batches cannot be produced.

/// Batches that cannot be produced.
#[derive(Debug, thiserror::Error)]
pub enum LoaderError {
    /// A batch of no images.
    #[error("a batch of 0 images: give a batch size of 1 or more")]
    BatchOfNone,
    /// The set has no complete batch.
    #[error(
        "{name} has {len} training images, fewer than one batch of {batch}; give a batch size of at most {len}"
    )]
    BatchLargerThanSet {
        /// The data set.
        name: String,
        /// The number of its images.
        len: usize,
        /// Images in a batch.
        batch: usize,
    },
    /// A batch does not fit in memory.
    #[error(
        "a batch of {batch} images of {} x {} x {} bytes is more than this machine's memory; \
         give a smaller batch size",
        .size[0], .size[1], .size[2]
    )]
    Memory {
        /// Images in a batch.
        batch: usize,
        /// Height, width and channels of an image.
        size: [usize; 3],
    },
    /// The set has more images than 32-bit sample numbers can count.
    #[error("{name} has {len} images, more than the {} that can be shuffled; split the set", u32::MAX)]
    SetTooLarge {
        /// The data set.
        name: String,
        /// Its images.
        len: usize,
    },
    /// An epoch was to be resumed after its end.
    #[error(
        "an epoch of {batches} batches cannot be resumed at batch {start_batch}; \
         resume with the data set and batch size that the run began with"
    )]
    StartBeyondEpoch {
        /// Where to resume.
        start_batch: usize,
        /// Batches in an epoch.
        batches: usize,
    },
    /// Files that could be read when the set was opened cannot be read now.
    #[error(
        "{name}: files have changed since the set was opened; put them back (a training then continues from its last \
         checkpoint with --resume):\n  {}",
        .files.join("\n  ")
    )]
    Changed {
        /// The data set.
        name: String,
        /// The error of each file.
        files: Vec<String>,
    },
    /// No thread could be started.
    #[error("cannot start the loader's thread: {error}; end other programs and try again")]
    Thread {
        /// The system's error.
        error: std::io::Error,
    },
}
