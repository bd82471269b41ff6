//! Initial weights from a file, adapted to the network to be trained.

use std::path::Path;

use super::{
    entries::{counters, use_torchvisions_names},
    error::WeightsError,
    metadata::{Description, Kind, metadata, prefix},
    store::{Entry, TensorFile},
    weights::Weights,
};
use crate::{
    data::Normalization,
    model::{Layout, Network, Norm, Parameter},
};

/// The source of a parameter's initial values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    /// The file's values.
    Same,
    /// The file's first convolution, summed over red, green and blue: the same result as for an image with three equal
    /// channels.
    Summed,
    /// Reinitialised from the seed, because the number of classes differs.
    New,
}

/// Checked weights from a file, to start training from. Depth, width and hidden features match the network's.
#[derive(Debug)]
pub struct Pretrained {
    file: TensorFile,
    /// The name prefix of the weights that are read.
    prefix: &'static str,
    fits: Vec<Fit>,
    /// The normalisation that the file's network was trained with: from its metadata, else the usual one for its number of
    /// channels. If the first convolution is summed over three channels, this is averaged over them.
    /// [`TrainConfig::normalized`](crate::train::TrainConfig::normalized) applies it to the data.
    pub normalization: Normalization,
    /// A sentence for each parameter that differs from the file's.
    pub notes: Vec<String>,
}

impl Pretrained {
    /// Reads torchvision's or timm's weights, or a run's, for `network`; from a checkpoint the average, if it has one.
    ///
    /// Weights for three channels are summed for a network with one channel, and the last layer is reinitialised if the
    /// number of classes differs.
    ///
    /// # Errors
    /// [`WeightsError`] with every difference between the file and the network.
    ///
    /// # Source
    /// The sum over channels is timm's rule for `in_chans=1`.
    pub fn read(path: &Path, network: &Network) -> Result<Self, WeightsError> {
        let mut file = TensorFile::read(path)?;
        let mut description = metadata::<Description>(&file)?;
        let rounded = description.as_ref().is_some_and(|description| description.model.qat);
        if network.config.qat && !rounded {
            let weights = Weights::read(path, None)?;
            let found = weights.network.config.norm();
            let folded = weights.folded().ok_or_else(|| WeightsError::OtherNorm {
                path: path.display().to_string(),
                found,
                wanted: Norm::None,
            })?;
            description = Some(Description::new(Kind::Weights, &folded.info));
            file = folded.file;
        }
        use_torchvisions_names(&mut file);
        let kind = description.as_ref().map_or(Kind::Weights, |d| d.kind);
        if kind == Kind::Quantized {
            return Err(WeightsError::Quantized { path: file.path().to_owned() });
        }
        let prefix = prefix(kind, &file);
        let named = |p: &Parameter| format!("{prefix}{}", p.name);
        // The last two parameters are the last layer's weight and bias.
        let head = network.parameters.len() - 2;
        let fits: Vec<Fit> = network
            .parameters
            .iter()
            .enumerate()
            .map(|(i, p)| fit(p, file.shape(&named(p)), i >= head))
            .collect();
        let mut notes = Vec::new();
        if fits.contains(&Fit::Summed) {
            notes.push("the file's first convolution is summed over its 3 channels".to_owned());
        }
        if let (Fit::New, Some(&[classes, _])) = (fits[head], file.shape(&named(&network.parameters[head]))) {
            notes.push(format!(
                "the last layer is reinitialised: the file has {classes} classes, the data have {}",
                network.config.classes
            ));
        }
        let with = |wanted: fn(Fit) -> bool| {
            network.parameters.iter().zip(&fits).filter(move |(_, fit)| wanted(**fit))
        };
        let expected: Vec<Entry> = with(|fit| fit != Fit::New)
            .map(|(p, fit)| match (fit, p.shape.dims()) {
                (Fit::Summed, &[k, _, r, s]) => Entry::f32(named(p), &[k, 3, r, s]),
                (_, dims) => Entry::f32(named(p), dims),
            })
            .collect();
        let new: Vec<String> = with(|fit| fit == Fit::New).map(|(p, _)| named(p)).collect();
        let own = |name: &str| !prefix.is_empty() && network.parameters.iter().any(|p| p.name == name);
        let ignored = |name: &str| {
            new.iter().any(|new| new == name)
                || kind == Kind::Checkpoint && name.starts_with("optimizer.")
                || own(name)
        };
        let what = format!("the {} to be trained", network.config);
        if let Some(vgg) = description.as_ref().map(|description| description.model.vgg()) {
            let path = || file.path().to_owned();
            let [found, wanted] = [vgg.norm(), network.config.norm()];
            if found != wanted {
                return Err(WeightsError::OtherNorm { path: path(), found, wanted });
            }
            let [found, wanted] = [vgg.activation(), network.activation()];
            // Compared by name: ReLU's slope at 0 follows the semantics, which are the run's own.
            if found.to_string() != wanted.to_string() {
                return Err(WeightsError::OtherActivation { path: path(), found, wanted });
            }
        }
        if rounded && !network.config.qat {
            return Err(WeightsError::Rounded { path: file.path().to_owned() });
        }
        if let Some(info) = description.as_ref().map(|description| &description.model)
            && (info.widths != network.config.widths)
        {
            return Err(WeightsError::OtherWidths {
                path: file.path().to_owned(),
                found: info.vgg().to_string(),
                wanted: network.config.to_string(),
                flags: info.width_flags(),
            });
        }
        file.check(&what, &expected, &counters(network), ignored)?;
        let (channels, summed) = (network.config.channels, fits.contains(&Fit::Summed));
        let described = description.map(|d| d.model.normalization());
        let normalization =
            described.unwrap_or_else(|| Normalization::usual(if summed { 3 } else { channels }));
        let normalization = if summed { normalization.grey() } else { normalization };
        if [normalization.mean.len(), normalization.std.len()] != [channels; 2] {
            let message = format!("{channels} channels, but normalisation for {}", normalization.mean.len());
            return Err(WeightsError::Metadata { path: file.path().to_owned(), message });
        }
        Ok(Self { file, prefix, fits, normalization, notes })
    }

    /// The initial values of a parameter of the network in disk order: the file's, else the seed's.
    pub(crate) fn values(&self, index: usize, parameter: &Parameter, seed: u64) -> Vec<f32> {
        let name = format!("{}{}", self.prefix, parameter.name);
        match self.fits[index] {
            Fit::Same => self.file.f32s(&name),
            Fit::New => parameter.initial(seed, index),
            Fit::Summed => {
                let pixels = 9;
                let values = self.file.f32s(&name);
                let kernels = values.chunks_exact(3 * pixels);
                kernels.flat_map(|k| (0..pixels).map(|i| k[i] + k[pixels + i] + k[2 * pixels + i])).collect()
            }
        }
    }
}

fn fit(parameter: &Parameter, found: Option<&[usize]>, head: bool) -> Fit {
    match (found, parameter.shape.dims()) {
        // Folded weights have no ranges.
        (None, _) if parameter.name.ends_with(".range") => Fit::New,
        (Some(&[fk, 3, fr, fs]), &[k, 1, r, s])
            if parameter.layout == Layout::Conv && [fk, fr, fs] == [k, r, s] =>
        {
            Fit::Summed
        }
        (Some([classes, rest @ ..]), [own, own_rest @ ..]) if head && classes != own && rest == own_rest => {
            Fit::New
        }
        _ => Fit::Same,
    }
}
