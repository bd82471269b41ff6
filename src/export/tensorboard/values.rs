//! The values of summaries: scalars, histograms, images, and settings for the HParams tab.

use std::collections::BTreeMap;

use prost::Message as _;

use super::messages::{
    HParamsPluginData, PluginData, SessionEndInfo, SessionStartInfo, SettingValue, SummaryMetadata,
    TensorProto, TensorShapeProto, Value,
};
use crate::{
    pictures::Pixels,
    train::{SETTINGS, TrainConfig},
};

pub fn scalar(tag: &str, value: f64) -> Value {
    Value { tag: tag.to_owned(), simple_value: Some(value as f32), ..Value::default() }
}

/// A value that a plugin of TensorBoard shows.
fn of_plugin(plugin: &str, content: Vec<u8>, data_class: i32, tag: &str, tensor: TensorProto) -> Value {
    let plugin_data = Some(PluginData { plugin_name: plugin.to_owned(), content });
    let metadata = Some(SummaryMetadata { plugin_data, data_class, ..SummaryMetadata::default() });
    Value { tag: tag.to_owned(), tensor: Some(tensor), metadata, ..Value::default() }
}

/// TensorBoard's default.
const BUCKETS: usize = 30;

/// The finite values multiplied by a factor, counted in [`BUCKETS`] intervals of one width, `[30, 3]`: from, to, count; `None` if no
/// value is finite. If all are equal, the last interval has them.
pub fn histogram(tag: &str, values: &[f32], factor: f64) -> Option<Value> {
    let finite = || values.iter().filter(|value| value.is_finite()).map(|&value| f64::from(value) * factor);
    let (low, high) = finite()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return None;
    }
    let (mut counts, last) = ([0u64; BUCKETS], BUCKETS - 1);
    let per_value = BUCKETS as f64 / (high - low);
    for value in finite() {
        let bucket = if low < high { ((value - low) * per_value) as usize } else { last };
        counts[bucket.min(last)] += 1;
    }
    let edge = |index: usize| match index {
        BUCKETS => high,
        _ => low + (high - low) * index as f64 / BUCKETS as f64,
    };
    let rows =
        counts.iter().enumerate().flat_map(|(index, &count)| [edge(index), edge(index + 1), count as f64]);
    let tensor = TensorProto {
        dtype: TensorProto::DOUBLE,
        tensor_shape: Some(TensorShapeProto::new([BUCKETS as i64, 3])),
        tensor_content: rows.flat_map(f64::to_le_bytes).collect(),
        ..TensorProto::default()
    };
    Some(of_plugin("histograms", Vec::new(), SummaryMetadata::TENSOR, tag, tensor))
}

/// Pictures of one size as a tensor of strings: width, height, and a PNG file for each. The description is Markdown.
pub fn images(tag: &str, description: String, pictures: &[Pixels<'_>]) -> Value {
    let [height, width] = pictures.first().map_or([0; 2], |first| first.size);
    let sides = [width, height].map(|side| side.to_string().into_bytes());
    let string_val: Vec<Vec<u8>> =
        sides.into_iter().chain(pictures.iter().map(|picture| picture.png())).collect();
    let tensor = TensorProto {
        dtype: TensorProto::STRING,
        tensor_shape: Some(TensorShapeProto::new([string_val.len() as i64])),
        string_val,
        ..TensorProto::default()
    };
    let mut value = of_plugin("images", Vec::new(), SummaryMetadata::BLOB_SEQUENCE, tag, tensor);
    if let Some(metadata) = &mut value.metadata {
        metadata.summary_description = description;
    }
    value
}

/// A message to the HParams plugin, whose tensor is empty.
fn hparams(tag: &str, data: &HParamsPluginData) -> Value {
    let tensor = TensorProto {
        dtype: TensorProto::FLOAT,
        tensor_shape: Some(TensorShapeProto::new([0])),
        ..TensorProto::default()
    };
    of_plugin("hparams", data.encode_to_vec(), SummaryMetadata::TENSOR, tag, tensor)
}

/// The settings of a run that begins, except the directory, which is the run's name.
///
/// There is no `Experiment` message: TensorBoard would take the first run's for all runs. Without one it finds out by itself which
/// settings differ, and shows those first; a setting that is unset in one of the runs has to be there for that, as a word.
pub fn session_start(config: &TrainConfig, start_time_secs: f64) -> Value {
    let values = serde_json::to_value(config).unwrap_or_default();
    let keys = SETTINGS.iter().map(|setting| setting.key).filter(|&key| key != "output_dir");
    let hparams: BTreeMap<String, SettingValue> =
        keys.map(|key| (key.to_owned(), setting_value(&values[key]))).collect();
    let session_start_info = Some(SessionStartInfo { hparams, start_time_secs });
    self::hparams(
        "_hparams_/session_start_info",
        &HParamsPluginData { session_start_info, ..Default::default() },
    )
}

/// How a run ended: [`SessionEndInfo::SUCCESS`] or [`SessionEndInfo::FAILURE`].
pub fn session_end(status: i32, end_time_secs: f64) -> Value {
    let session_end_info = Some(SessionEndInfo { status, end_time_secs });
    hparams("_hparams_/session_end_info", &HParamsPluginData { session_end_info, ..Default::default() })
}

fn setting_value(value: &serde_json::Value) -> SettingValue {
    use serde_json::Value::{Bool, Null, Number, String};
    let text = match value {
        Bool(on) => return SettingValue { bool_value: Some(*on), ..SettingValue::default() },
        Number(number) => return SettingValue { number_value: number.as_f64(), ..SettingValue::default() },
        Null => "unset".to_owned(),
        String(text) => text.clone(),
        other => other.to_string(),
    };
    SettingValue { string_value: Some(text), ..SettingValue::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(value: &Value) -> Vec<[f64; 3]> {
        let tensor = value.tensor.as_ref().unwrap();
        assert_eq!(tensor.dtype, TensorProto::DOUBLE);
        let numbers: Vec<f64> =
            tensor.tensor_content.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
        assert_eq!(numbers.len(), 3 * BUCKETS);
        numbers.as_chunks().0.to_vec()
    }

    #[test]
    fn every_finite_value_is_counted_once() {
        let values: Vec<f32> = (0..=60).map(|v| v as f32).chain([f32::NAN, f32::INFINITY]).collect();
        let rows = rows(&histogram("tag", &values, 0.5).unwrap());
        // From 0 to 30 in halves: two values in each interval, and the largest of all in the last.
        for (index, row) in rows.iter().enumerate() {
            let count = if index == BUCKETS - 1 { 3.0 } else { 2.0 };
            assert_eq!(*row, [index as f64, index as f64 + 1.0, count]);
        }
    }

    #[test]
    fn equal_values_are_in_the_last_interval() {
        let rows = rows(&histogram("tag", &[0.25; 7], 1.0).unwrap());
        assert_eq!((rows[0], rows[BUCKETS - 1]), ([0.25, 0.25, 0.0], [0.25, 0.25, 7.0]));
        assert_eq!(histogram("tag", &[f32::NAN], 1.0), None);
        assert_eq!(histogram("tag", &[], 1.0), None);
    }

    /// f32's whole range, the product of which with a factor is no f32 any more.
    #[test]
    fn the_largest_numbers_have_a_histogram() {
        let rows = rows(&histogram("tag", &[f32::MIN, 0.0, f32::MAX], 65_536.0).unwrap());
        assert_eq!(rows.iter().map(|row| row[2]).sum::<f64>(), 3.0);
        assert!(rows.iter().flatten().all(|number| number.is_finite()));
    }

    #[test]
    fn settings_keep_their_types() {
        let config =
            TrainConfig { seed: 7, hflip: true, output_dir: Some("here".into()), ..TrainConfig::default() };
        let value = session_start(&config, 1.0);
        let content = value.metadata.unwrap().plugin_data.unwrap().content;
        let hparams = HParamsPluginData::decode(&content[..]).unwrap().session_start_info.unwrap().hparams;
        assert_eq!(hparams.len(), SETTINGS.len() - 1);
        assert_eq!(hparams["seed"].number_value, Some(7.0));
        assert_eq!(hparams["hflip"].bool_value, Some(true));
        assert_eq!(hparams["data"].string_value.as_deref(), Some("mnist"));
        assert_eq!(hparams["clip_grad_norm"].string_value.as_deref(), Some("unset"));
        assert!(!hparams.contains_key("output_dir"));
    }
}
