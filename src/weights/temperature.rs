//! The temperature of weights in a file, which is found after they are written.

use std::path::Path;

use super::{
    error::WeightsError,
    metadata::{Description, Kind, metadata},
    store::TensorFile,
};

/// Writes the temperature of a network's probabilities into its file of weights, in floats or 8-bit integers; `None` removes it. The
/// rest of the file stays.
///
/// # Errors
/// [`WeightsError::Store`] if the file cannot be read or written, [`WeightsError::NotWeights`] for a checkpoint and for files of other
/// programs, [`WeightsError::Metadata`] and [`WeightsError::Version`].
pub fn write_temperature(path: &Path, temperature: Option<f64>) -> Result<(), WeightsError> {
    let file = TensorFile::read(path)?;
    let not = |what| WeightsError::NotWeights { path: path.display().to_string(), what };
    match metadata::<Description>(&file)?.map(|description| description.kind) {
        Some(Kind::Weights | Kind::Quantized) => {}
        Some(Kind::Checkpoint) => return Err(not("a checkpoint, whose run goes on without one")),
        None => return Err(not("from another program and does not describe its network")),
    }
    // As a table, which has the fields of both kinds of file.
    let mut table: toml::Table = metadata(&file)?.unwrap_or_default();
    if let Some(toml::Value::Table(model)) = table.get_mut("model") {
        model.remove("temperature");
        model.extend(temperature.map(|value| ("temperature".to_owned(), value.into())));
    }
    let text = toml::to_string(&table).expect("a table that was read");
    Ok(file.write_with(path, &text)?)
}
