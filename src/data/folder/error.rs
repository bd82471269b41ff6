//! Why a folder of pictures cannot be used.

/// A folder that is not a data set.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A half is missing.
    #[error(
        "{dir}: no folder {missing}; an image folder contains train/<class>/ and val/<class>/ (or test/<class>/) with \
         PNG or JPEG files. The folders there: {found}"
    )]
    Half {
        /// The folder.
        dir: String,
        /// What is missing.
        missing: &'static str,
        /// The folders found.
        found: String,
    },
    /// A folder cannot be read.
    #[error("{path}: {error}; check that it is a folder that you may read")]
    Io {
        /// The folder.
        path: String,
        /// The system's error.
        error: std::io::Error,
    },
    /// There are fewer than two classes.
    #[error("{root}: {found} class folders, but at least 2 are needed; give each class its own folder there")]
    FewClasses {
        /// The half's folder.
        root: String,
        /// The number of class folders found.
        found: usize,
    },
    /// A class has no images.
    #[error(
        "{class}: no PNG or JPEG files (other files there: {others}); put images there, or remove the folder from \
         both halves"
    )]
    NoImages {
        /// The class's folder.
        class: String,
        /// Other files.
        others: String,
    },
    /// The halves have different classes.
    #[error(
        "{train} and {test} must have the same classes; only in the first: {only_train}; only in the second: \
         {only_test}"
    )]
    Classes {
        /// The training folder.
        train: String,
        /// Classes that only the training folder has.
        only_train: String,
        /// The test folder.
        test: String,
        /// Classes that only the test folder has.
        only_test: String,
    },
    /// Damaged image files.
    #[error("{count} damaged images; repair or remove them, or leave them out with --skip-corrupt:{list}")]
    Damaged {
        /// The number of files.
        count: usize,
        /// The first of them, one per line.
        list: String,
    },
    /// A class has no undamaged images.
    #[error(
        "{class}: all of its images are damaged; put sound ones there, or remove the folder from both halves"
    )]
    AllDamaged {
        /// The class's folder.
        class: String,
    },
}
