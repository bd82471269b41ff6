//! Why a folder of pictures cannot be used.

/// A folder that is no data set.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A half is missing.
    #[error(
        "{dir}: no folder {missing}; an image folder holds train/<class>/ and val/<class>/ (or test/<class>/) with \
         PNG or JPEG files. The folders there: {found}"
    )]
    Half {
        /// The folder.
        dir: String,
        /// What is missing.
        missing: &'static str,
        /// The folders there are.
        found: String,
    },
    /// A folder cannot be read.
    #[error("{path}: {error}; check that it is a folder that you may read")]
    Io {
        /// The folder.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// There is nothing to tell apart.
    #[error(
        "{root}: {found} class folders, but at least 2 are needed; give each class a folder of its own there"
    )]
    FewClasses {
        /// The half's folder.
        root: String,
        /// The class folders there are.
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
        /// The folder to learn from.
        train: String,
        /// Classes that only it has.
        only_train: String,
        /// The folder to measure with.
        test: String,
        /// Classes that only it has.
        only_test: String,
    },
    /// Files that are no sound images.
    #[error("{count} damaged images; repair or remove them, or leave them out with --skip-corrupt:{list}")]
    Damaged {
        /// How many.
        count: usize,
        /// The first of them, a line each.
        list: String,
    },
    /// Nothing of a class is left.
    #[error(
        "{class}: all of its images are damaged; put sound ones there, or remove the folder from both halves"
    )]
    AllDamaged {
        /// The class's folder.
        class: String,
    },
}
