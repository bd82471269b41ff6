//! One IDX file, decoded and checked.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::error::IdxError;
use super::kind::{IdxKind, MAX_SIDE};

/// The most memory reserved on the basis of the header alone; beyond it the buffer grows only as content arrives.
const MAX_RESERVE_BYTES: u64 = 64 << 20;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The uncompressed content of one IDX file, with the length that its header says.
#[derive(Clone)]
pub struct IdxFile {
    name: String,
    kind: IdxKind,
    bytes: Vec<u8>,
    len: usize,
    image_size: (usize, usize),
}

impl fmt::Debug for IdxFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdxFile({}: {} {})", self.name, self.len, self.kind)
    }
}

impl IdxFile {
    /// Reads a file, gzipped or plain; the content decides, not the name.
    ///
    /// # Errors
    /// As [`IdxFile::read`].
    pub fn open(path: &Path, kind: IdxKind) -> Result<Self, IdxError> {
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Self::read(&name, BufReader::new(file), kind),
            Err(error) => Err(IdxError::Io { file: name, error }),
        }
    }

    /// Reads IDX from bytes or a stream, gzipped or plain; `name` is its name in errors.
    ///
    /// Reads at most one byte more than the header promises and allocates only for existing content, so that neither a damaged
    /// header nor a gzip bomb can exhaust the memory.
    ///
    /// # Errors
    /// [`IdxError`] if reading fails, the gzip stream is damaged, the header is not that of `kind`, or the content is shorter
    /// or longer than the header promises.
    pub fn read(name: &str, mut source: impl BufRead, kind: IdxKind) -> Result<Self, IdxError> {
        let start = source.fill_buf().map_err(|error| IdxError::Io { file: name.to_owned(), error })?;
        if start.starts_with(&GZIP_MAGIC) {
            decode(name, MultiGzDecoder::new(source), true, kind)
        } else {
            decode(name, source, false, kind)
        }
    }

    /// The file's name in errors.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kind of the file.
    pub fn kind(&self) -> IdxKind {
        self.kind
    }

    /// The number of images or labels, at least 1.
    #[allow(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Height and width of each image, in pixels; 1 and 1 for labels.
    pub fn image_size(&self) -> (usize, usize) {
        self.image_size
    }

    /// The uncompressed file, header included.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The pixels `[N, H, W]` or the labels `[N]`.
    pub fn values(&self) -> &[u8] {
        &self.bytes[self.kind.header_bytes()..]
    }

    pub(in crate::data) fn values_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.kind.header_bytes()..]
    }

    pub(super) fn expect(&self, kind: IdxKind) -> Result<(), IdxError> {
        if self.kind == kind {
            Ok(())
        } else {
            let file = self.name.clone();
            Err(IdxError::Swapped { file, kind })
        }
    }
}

fn decode(name: &str, mut content: impl Read, gzip: bool, kind: IdxKind) -> Result<IdxFile, IdxError> {
    let file = || name.to_owned();
    let header = kind.header_bytes();
    let mut bytes = Vec::new();

    // The magic number first: for a short file of the wrong kind, the kind is the better error.
    fill(&mut content, &mut bytes, 4).map_err(|error| failure(name, error, gzip, bytes.len()))?;
    if let [a, b, c, d] = bytes[..] {
        let found = u32::from_be_bytes([a, b, c, d]);
        if found == kind.other().magic() {
            return Err(IdxError::Swapped { file: file(), kind });
        }
        if found != kind.magic() {
            return Err(IdxError::Magic { file: file(), found, kind });
        }
        let rest = header as u64 - 4;
        fill(&mut content, &mut bytes, rest).map_err(|error| failure(name, error, gzip, bytes.len()))?;
    }
    if bytes.len() < header {
        return Err(IdxError::Header { file: file(), bytes: bytes.len(), header, kind });
    }

    let mut dimensions =
        bytes[4..].chunks_exact(4).map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]));
    let count = dimensions.next().unwrap_or(0);
    let (height, width) = (dimensions.next().unwrap_or(1), dimensions.next().unwrap_or(1));
    if count == 0 {
        return Err(IdxError::Empty { file: file(), kind });
    }
    if ![height, width].iter().all(|side| (1..=MAX_SIDE).contains(side)) {
        return Err(IdxError::Side { file: file(), height, width });
    }

    // At most 2^32 * 2^12 * 2^12.
    let expected = u64::from(count) * u64::from(height) * u64::from(width);
    bytes.reserve_exact(expected.min(MAX_RESERVE_BYTES) as usize + 1);
    let end = fill(&mut content, &mut bytes, expected + 1);
    let found = (bytes.len() - header) as u64;
    let ended = end.as_ref().map_or_else(|error| error.kind() == io::ErrorKind::UnexpectedEof, |()| true);
    if found < expected && ended {
        return Err(IdxError::Truncated { file: file(), kind, found, expected });
    }
    // A gzip stream that ends right after its content has lost its checksum.
    end.map_err(|error| failure(name, error, gzip, bytes.len()))?;
    if found > expected {
        return Err(IdxError::Trailing { file: file(), kind, expected });
    }
    Ok(IdxFile {
        name: file(),
        kind,
        bytes,
        len: count as usize,
        image_size: (height as usize, width as usize),
    })
}

/// Appends up to `limit` bytes of `content`, fewer if it ends.
fn fill(content: &mut impl Read, bytes: &mut Vec<u8>, limit: u64) -> io::Result<()> {
    content.take(limit).read_to_end(bytes).map(|_| ())
}

/// Distinguishes the decoder's errors from the system's.
fn failure(name: &str, error: io::Error, gzip: bool, bytes: usize) -> IdxError {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    let file = name.to_owned();
    if gzip && matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof) {
        IdxError::Gzip { file, error, bytes }
    } else {
        IdxError::Io { file, error }
    }
}
