//! Weights on disk, under torchvision's names and shapes.

use std::path::Path;

use safetensors::tensor::Dtype;

use super::{
    entries::{AVERAGE, averages, counters, timm_values, use_torchvisions_names, values},
    error::WeightsError,
    info::ModelInfo,
    metadata::{Description, Kind, metadata, prefix},
    store::{self, Entry, StoreError, TensorFile},
};
use crate::{dtype::DType, model::Network};

/// The largest side of a data set's images, which is IDX's.
const MAX_SOURCE: usize = 4096;

/// Checked weights of a network, as stored in a file.
#[derive(Debug)]
pub struct Weights {
    /// The file's description of the network, or the one inferred from its shapes.
    pub info: ModelInfo,
    /// The network.
    pub network: Network,
    pub(super) file: TensorFile,
    /// The prefix of the parameters' names in the file.
    prefix: &'static str,
}

impl Weights {
    /// Reads a file of weights or a checkpoint, and checks every tensor's name, shape, type and values. Names are
    /// torchvision's or timm's; floats may be f32, f16 or bf16. From a checkpoint with averaged weights it reads the averages,
    /// as the run's own evaluations do.
    ///
    /// `image_size` is for files written by PyTorch, which do not record it; the default is 224 if FC1 sees 7x7 pixels, 28
    /// if it sees one pixel, and else 32 times the side. For other files it must be the file's.
    ///
    /// # Errors
    /// [`WeightsError`] with every difference between the file and the network.
    pub fn read(path: &Path, image_size: Option<[usize; 2]>) -> Result<Self, WeightsError> {
        Self::of(TensorFile::read(path)?, image_size)?.of_size(image_size)
    }

    /// The weights inside the program; `assets/weights/README.md` says how they were made.
    ///
    /// # Errors
    /// As [`Weights::read`]; a test makes sure that there is none.
    pub fn builtin() -> Result<Self, WeightsError> {
        let bytes = include_bytes!("../../assets/weights/quick.safetensors");
        Self::of(TensorFile::parse("the weights inside the program".to_owned(), bytes.to_vec())?, None)
    }

    /// Weights that are not in a file.
    pub(super) fn in_memory(info: ModelInfo, network: Network, file: TensorFile) -> Self {
        Self { info, network, file, prefix: "" }
    }

    /// Checks that `image_size`, if given, is the size of these weights.
    ///
    /// # Errors
    /// [`WeightsError::OtherSize`].
    pub fn of_size(self, image_size: Option<[usize; 2]>) -> Result<Self, WeightsError> {
        let found = self.info.image_size;
        match image_size.filter(|&wanted| wanted != found) {
            None => Ok(self),
            Some(wanted) => Err(WeightsError::OtherSize { path: self.file.path().to_owned(), found, wanted }),
        }
    }

    fn of(mut file: TensorFile, image_size: Option<[usize; 2]>) -> Result<Self, WeightsError> {
        use_torchvisions_names(&mut file);
        let (info, kind) = match metadata::<Description>(&file)? {
            Some(Description { kind: Kind::Quantized, .. }) => {
                return Err(WeightsError::Quantized { path: file.path().to_owned() });
            }
            Some(description) => (description.model, description.kind),
            None => (ModelInfo::inferred(&file, image_size)?, Kind::Weights),
        };
        let ignored = |name: &str| kind == Kind::Checkpoint && name.starts_with("optimizer.");
        let prefix = prefix(kind, &file);
        let averaged = prefix == AVERAGE;
        // A network that cannot be built is Weights::check's error.
        let more = info
            .vgg()
            .network()
            .ok()
            .filter(|_| averaged)
            .map(|network| averages(&network).collect::<Vec<_>>());
        let weights = Self::check(file, info, &more.unwrap_or_default(), ignored)?;
        Ok(Self { prefix, ..weights })
    }

    /// Checks the tensors against the network of `info` and the additional entries `more`.
    pub(super) fn check(
        file: TensorFile,
        info: ModelInfo,
        more: &[Entry],
        ignored: impl Fn(&str) -> bool,
    ) -> Result<Self, WeightsError> {
        Self::check_info(&info, file.path())?;
        let path = || file.path().to_owned();
        let classes = info.class_names.len();
        // A damaged width or class count must not make this allocate: the limits of the network are checked first.
        let network = info.vgg().network().map_err(|error| WeightsError::Network { path: path(), error })?;
        let [h, w] = info.image_size;
        let what = format!(
            "{} at {h}x{w} px, {} channels, width {}, {classes} classes",
            info.vgg(),
            info.channels,
            info.width
        );
        let expected: Vec<Entry> = values(&network).into_iter().chain(more.iter().cloned()).collect();
        file.check(&what, &expected, &counters(&network), ignored)?;
        Ok(Self { info, network, file, prefix: "" })
    }

    /// Checks the normalisation and the source size of a description.
    pub(super) fn check_info(info: &ModelInfo, path: &str) -> Result<(), WeightsError> {
        let path = || path.to_owned();
        if [info.mean.len(), info.std.len()] != [info.channels; 2] {
            let message = format!("{} channels, but normalisation for {}", info.channels, info.mean.len());
            return Err(WeightsError::Metadata { path: path(), message });
        }
        info.normalization().check().map_err(|message| WeightsError::Metadata { path: path(), message })?;
        if let Some(source) =
            info.source.filter(|[h, w]| !(1..=MAX_SOURCE).contains(h) || !(1..=MAX_SOURCE).contains(w))
        {
            let message = format!("a data set's images of {source:?} pixels");
            return Err(WeightsError::Metadata { path: path(), message });
        }
        if let Some(temperature) = info.temperature.filter(|t| !(t.is_finite() && *t > 0.0)) {
            let message = format!("a temperature of {temperature}, but temperatures are above 0");
            return Err(WeightsError::Metadata { path: path(), message });
        }
        Ok(())
    }

    /// The values of a parameter in disk order, by its index in [`Network::parameters`].
    pub fn values(&self, parameter: usize) -> Vec<f32> {
        self.file.f32s(&format!("{}{}", self.prefix, self.network.parameters[parameter].name))
    }

    /// Checks that these are weights of `network`.
    ///
    /// # Errors
    /// [`WeightsError::OtherModel`] or [`WeightsError::OtherNetwork`].
    pub fn fits(&self, network: &Network) -> Result<(), WeightsError> {
        let path = || self.file.path().to_owned();
        let [found, expected] = [&self.network, network].map(|network| network.config.to_string());
        if found != expected {
            return Err(WeightsError::OtherModel { path: path(), found, expected });
        }
        let mut pairs = network.parameters.iter().zip(&self.network.parameters);
        match pairs.find(|(own, other)| (&own.name, &own.shape) != (&other.name, &other.shape)) {
            None => Ok(()),
            Some((own, other)) => Err(WeightsError::OtherNetwork {
                path: path(),
                tensor: own.name.clone(),
                found: other.shape.clone(),
                expected: own.shape.clone(),
            }),
        }
    }

    /// The file, for errors.
    pub fn path(&self) -> &str {
        self.file.path()
    }

    /// Whether the file describes its network and training; if not, `info` is inferred from its shapes.
    pub fn is_described(&self) -> bool {
        self.file.metadata.is_some()
    }

    /// The number of training steps, if the file records it.
    pub fn steps(&self) -> Option<u64> {
        self.file.i64(&counters(&self.network).first()?.name).and_then(|steps| u64::try_from(steps).ok())
    }
}

/// Writes weights alone, as `load_state_dict` takes them, stored as `dtype`: f32 or f16.
///
/// # Errors
/// [`StoreError`] if the file cannot be written or a value is out of f16's range. An existing file is then unchanged.
pub fn write_weights(path: &Path, weights: &Weights, dtype: DType) -> Result<(), StoreError> {
    write_as(path, weights, dtype, values(&weights.network))
}

/// As [`write_weights`], under timm's names and in timm's shapes. The classifier's input must have 7x7 pixels.
///
/// # Errors
/// As [`write_weights`].
pub fn write_timm_weights(path: &Path, weights: &Weights, dtype: DType) -> Result<(), StoreError> {
    write_as(path, weights, dtype, timm_values(&weights.network))
}

fn write_as(path: &Path, weights: &Weights, dtype: DType, entries: Vec<Entry>) -> Result<(), StoreError> {
    let steps = weights.steps().unwrap_or(0);
    let plain = weights.with_plain_logits();
    let weights = plain.as_ref().unwrap_or(weights);
    let values = |index| weights.values(index);
    write_values(path, &weights.info, (&weights.network, entries), steps, dtype, values)
}

/// Writes the values of a network's parameters, in disk order, as [`write_weights`] does; the entries are those of the parameters.
pub(super) fn write_values(
    path: &Path,
    info: &ModelInfo,
    (network, values): (&Network, Vec<Entry>),
    steps: u64,
    dtype: DType,
    parameter: impl Fn(usize) -> Vec<f32>,
) -> Result<(), StoreError> {
    let metadata = Description::new(Kind::Weights, info).to_toml();
    let half = dtype == DType::F16;
    let mut entries = counters(network);
    let counters = entries.len();
    entries.extend(values);
    if half {
        entries[counters..].iter_mut().for_each(|entry| entry.dtype = Dtype::F16);
    }
    store::write(path, &metadata, &entries, |index| {
        Ok(match index.checked_sub(counters) {
            None => (steps as i64).to_le_bytes().to_vec(),
            Some(index) if half => store::to_le_f16(&parameter(index)),
            Some(index) => store::to_le(&parameter(index)),
        })
    })
}
