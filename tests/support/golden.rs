//! Golden vectors, which `assets/golden/make.py` wrote with PyTorch.

use std::{collections::BTreeMap, path::Path};

use safetensors::{Dtype, SafeTensors};
use vgg_wgpu::{
    cpu::{CpuExecutor, Scalar},
    model::{Semantics, VggConfig},
    ops::LossScale,
    program::{DeviceLimits, Executor, Mode, Precision, Settings, Training, lower},
    shape::Shape,
};

use super::{Fixture, MEAN_STD, Tolerance, compare, write};

/// A file of golden tensors.
pub struct Golden(pub BTreeMap<String, (Shape, Vec<f64>)>);

impl Golden {
    pub fn load(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("assets/golden/{name}.safetensors"));
        let bytes = std::fs::read(path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let values = |dtype, data: &[u8]| -> Vec<f64> {
            match dtype {
                Dtype::F64 => {
                    data.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
                }
                Dtype::F32 => {
                    data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()).into()).collect()
                }
                Dtype::U32 => {
                    data.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap()).into()).collect()
                }
                Dtype::U8 => data.iter().map(|&b| b.into()).collect(),
                other => panic!("{other:?}"),
            }
        };
        let tensors = file.iter().map(|(name, view)| {
            (name.to_owned(), (view.shape().to_vec().into(), values(view.dtype(), view.data())))
        });
        Self(tensors.collect())
    }

    /// The names before the first dot.
    pub fn cases(&self) -> Vec<String> {
        let mut cases: Vec<String> =
            self.0.keys().map(|name| name.split('.').next().unwrap().to_owned()).collect();
        cases.dedup();
        assert!(!cases.is_empty());
        cases
    }

    pub fn get(&self, case: &str, name: &str) -> &[f64] {
        &self.0.get(&format!("{case}.{name}")).unwrap_or_else(|| panic!("no {case}.{name}")).1
    }

    pub fn dims<const R: usize>(&self, case: &str, name: &str) -> [usize; R] {
        self.0[&format!("{case}.{name}")].0.dims().try_into().unwrap()
    }

    #[track_caller]
    pub fn compare(&self, case: &str, name: &str, actual: &[f64], tolerance: Tolerance) {
        let (shape, expected) = &self.0[&format!("{case}.{name}")];
        compare(&format!("{case}.{name}"), shape, actual, expected, tolerance);
    }
}

/// The network of `network.safetensors` before its step, a VGG16 a sixteenth wide, with its batch.
pub fn golden_network<S: Scalar>(golden: &Golden, training: Training, precision: Precision) -> Fixture<S> {
    let config = VggConfig {
        image_size: [28, 28],
        width: 0.0625,
        hidden: Some(16),
        dropout: 0.0,
        semantics: Semantics::Pytorch,
        ..VggConfig::default()
    };
    let network = config.network().unwrap();
    let [batch, h, w, _] = golden.0["images"].0.dims().try_into().unwrap();
    let [mean, std] = MEAN_STD.map(|v| vec![v]);
    let settings = Settings {
        batch,
        source: [h, w],
        mean,
        std,
        mode: Mode::Train(training),
        precision,
        limits: DeviceLimits { f16: true, ..DeviceLimits::NONE },
    };
    let lowered = lower(&network, &settings).unwrap();
    let inputs = lowered.inputs;
    let mut executor = CpuExecutor::<S>::new(lowered.program.clone());
    let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0].repeat(batch);
    for (id, values) in [
        (inputs.images, &golden.0["images"].1),
        (inputs.labels, &golden.0["labels"].1),
        (inputs.transforms, &identity),
    ] {
        write(&mut executor, id, values);
    }
    if let Some(state) = lowered.loss_scale {
        executor.upload(state, bytemuck::bytes_of(&LossScale::initial())).unwrap();
    }
    for (parameter, tensors) in network.parameters.iter().zip(&lowered.parameters) {
        let before: Vec<f32> = golden.get("before", &parameter.name).iter().map(|&v| v as f32).collect();
        let values = parameter.layout.to_device(&parameter.shape, &before);
        executor.upload(tensors.value, bytemuck::cast_slice(&values)).unwrap();
    }
    Fixture { network, lowered, executor, batch }
}

/// Runs a test in both scalar types.
macro_rules! both {
    ($($name:ident)*) => {$(
        mod $name {
            #[test]
            fn in_f64() {
                super::$name::<f64>();
            }

            #[test]
            fn in_f32() {
                super::$name::<f32>();
            }
        }
    )*};
}
pub(crate) use both;
