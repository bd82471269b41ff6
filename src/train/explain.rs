//! Grad-CAM: where in an image the evidence for a class is.
//!
//! # Source
//! Selvaraju et al.: "Grad-CAM: Visual explanations from deep networks via gradient-based localization" (2017).

use super::{calibration::argmax, error::TrainError, evaluation::finite, session::Session};
use crate::{
    model::{LayerKind, Network},
    program::{Pass, floats},
};

/// A network's evidence for a class in an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The probability of each class.
    pub probabilities: Vec<f32>,
    /// The class that is explained.
    pub class: usize,
    /// Height and width of the maps.
    pub size: [usize; 2],
    /// The evidence at each pixel of the layer, `[H, W]`, at least 0: the layer's channels weighted by [`Channel::weight`].
    pub map: Vec<f32>,
    /// All channels of the layer, by descending contribution to the map.
    pub channels: Vec<Channel>,
}

/// A channel of the explained layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    /// Its index in the layer.
    pub index: usize,
    /// The mean over the pixels of the gradient of the class's logit with respect to the channel.
    pub weight: f32,
    /// The activation, `[H, W]`.
    pub map: Vec<f32>,
}

impl Channel {
    /// Its contribution to the sum of the map.
    fn share(&self) -> f32 {
        self.weight * self.map.iter().sum::<f32>()
    }
}

/// The convolutions whose activation can be explained, each with the index of that activation in [`Network::layers`] and the
/// height and width of its output.
pub fn explainable(network: &Network) -> Vec<(&str, usize, [usize; 2])> {
    let layers = &network.layers;
    let activation = |conv: usize| {
        (conv..layers.len()).find(|&index| matches!(layers[index].kind, LayerKind::Activation(_)))
    };
    let convolutions = layers.iter().enumerate().filter(|(_, l)| matches!(l.kind, LayerKind::Conv(_)));
    convolutions
        .filter_map(|(index, layer)| {
            let &[height, width, _] = layer.output.dims() else { return None };
            Some((layer.name.as_str(), activation(index)?, [height, width]))
        })
        .collect()
}

impl Session {
    /// Explains a class, by default the most probable one, in an image `[H, W, C]` of the data set's size. The session must
    /// have a program of [`crate::program::Mode::Explain`] for one image.
    ///
    /// # Errors
    /// [`TrainError::Executor`], [`TrainError::NotFinite`].
    ///
    /// # Panics
    /// If the program has another mode, or if there is no such class.
    pub fn explain(&mut self, image: &[u8], class: Option<usize>) -> Result<Explanation, TrainError> {
        let probabilities = self.predict(image)?.swap_remove(0);
        let class = class.unwrap_or_else(|| argmax(&probabilities));
        let tensors = self.explained().expect("a program of Mode::Explain");
        let mut logits = vec![0f32; probabilities.len()];
        logits[class] = 1.0;
        let executor = self.executor_mut();
        executor.upload(tensors.logits, bytemuck::cast_slice(&logits))?;
        executor.run(Pass::Train)?;
        let dims = executor.program().tensor(tensors.activation).shape.dims().to_vec();
        let [height, width, count] = [dims[1], dims[2], dims[3]];
        let activation = floats(&executor.read(tensors.activation)?);
        let gradient = floats(&executor.read(tensors.gradient)?);
        for (what, values) in [("activation", &activation), ("gradient", &gradient)] {
            finite(&self.file, what, 0, values.len(), values)?;
        }
        let column = |values: &[f32], index: usize| -> Vec<f32> {
            values.iter().skip(index).step_by(count).copied().collect()
        };
        let mut channels: Vec<Channel> = (0..count)
            .map(|index| {
                let weight = column(&gradient, index).iter().sum::<f32>() / (height * width) as f32;
                Channel { index, weight, map: column(&activation, index) }
            })
            .collect();
        let at = |place: usize| channels.iter().map(|c| c.weight * c.map[place]).sum::<f32>().max(0.0);
        let map = (0..height * width).map(at).collect();
        channels.sort_by(|a, b| b.share().total_cmp(&a.share()).then(a.index.cmp(&b.index)));
        Ok(Explanation { probabilities, class, size: [height, width], map, channels })
    }
}
