//! The settings of a training: those of its recipe, of the user's defaults and of flags; and `vgg settings`, which shows them.

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::{
    args,
    defaults::{OTHERS, defaults},
    device,
    output::{note, print, print_json},
    table::{Align, table},
};
use crate::train::{SETTINGS, Setting, TrainConfig};

/// `vgg settings`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(flatten)]
    recipe: args::RecipeFlag,
    #[command(flatten)]
    device: args::DeviceFlag,
    #[command(flatten)]
    settings: args::SettingFlags,
    /// List every setting, not only those that differ from the program's defaults.
    #[arg(long)]
    all: bool,
    /// Print one JSON object instead of text, with every setting.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    kernels: args::KernelFlags,
}

/// The requested recipe, the user's default one, or that of the device.
fn recipe(flag: Option<&str>, hardware: bool) -> Result<String> {
    let given = defaults()?.get("recipe").map(|given| given.text());
    let own = if hardware { "report" } else { "quick" };
    Ok(flag.map(str::to_owned).or(given).unwrap_or_else(|| own.to_owned()))
}

/// The requested recipe, or the default one, overridden by the user's defaults, which are named in a line, and the flags.
pub(super) fn configure(
    recipe_flag: &args::RecipeFlag,
    flags: &args::SettingFlags,
    hardware: bool,
    quiet: bool,
) -> Result<TrainConfig> {
    let defaults = defaults()?;
    if let Some(line) = defaults.line() {
        note(quiet, &line);
    }
    let base = TrainConfig::recipe(&recipe(recipe_flag.recipe.as_deref(), hardware)?)?;
    Ok(base.with_defaults(&defaults.settings(), &flags.0)?)
}

/// A setting with its value and where that comes from.
#[derive(Serialize)]
struct Row {
    key: &'static str,
    value: Value,
    from: String,
}

/// The settings of a training.
#[derive(Serialize)]
struct Record {
    /// The user's configuration file, which need not exist.
    config_file: Option<String>,
    config_file_found: bool,
    settings: Vec<Row>,
}

/// Runs `vgg settings`.
pub(super) fn run(flags: &Flags, quiet: bool) -> Result<()> {
    let (chosen, _) = device::choose(&flags.device.device, &flags.kernels)?;
    let hardware = chosen.is_hardware_gpu();
    let config = configure(&flags.recipe, &flags.settings, hardware, true)?;
    let recipe_flag = flags.recipe.recipe.as_deref();
    let name = recipe(recipe_flag, hardware)?;
    let given = |key: &str| defaults().ok().and_then(|defaults| defaults.get(key));
    // clap does not say whether a flag was given with the user's default; both have the same effect.
    let other = |key: &'static str, value: &str, own: &str, flag: bool| Row {
        key,
        value: value.into(),
        from: match given(key).filter(|given| !flag && given.text() == value) {
            Some(given) => given.origin.clone(),
            None if flag || value != own => format!("--{key}"),
            None => "default".to_owned(),
        },
    };
    let mut rows = vec![
        other("recipe", &name, &name, recipe_flag.is_some()),
        other("device", &flags.device.device, "auto", false),
        other("tuning", &flags.kernels.tuning.to_string(), "auto", false),
    ];
    debug_assert!(rows.iter().map(|row| row.key).eq(OTHERS));
    let values = serde_json::to_value(&config)?;
    let settings = SETTINGS.iter().filter(|setting| !OTHERS.contains(&setting.key));
    rows.extend(settings.map(|setting| Row {
        key: setting.key,
        value: values.get(setting.key).cloned().unwrap_or(Value::Null),
        from: origin(setting, &config, &flags.settings, &name),
    }));
    let defaults = defaults()?;
    if flags.json {
        let config_file = defaults.file.as_ref().map(|file| file.display().to_string());
        return print_json(&Record { config_file, config_file_found: defaults.found, settings: rows });
    }
    match &defaults.file {
        Some(file) if defaults.found => note(quiet, &format!("file      {}", file.display())),
        Some(file) => note(quiet, &format!("file      {} (none yet)", file.display())),
        None => note(quiet, "file      none"),
    }
    let shown =
        rows.into_iter().filter(|row| flags.all || row.from != "default" || OTHERS.contains(&row.key));
    let cells = |row: Row| {
        let value = match row.value {
            Value::Null => Setting::of(row.key).value(&config).replace('`', ""),
            Value::String(text) => text,
            other => other.to_string(),
        };
        vec![row.key.to_owned(), value, row.from]
    };
    let columns = [("setting", Align::Left), ("value", Align::Left), ("from", Align::Left)];
    print(&table(&columns, &shown.map(cells).collect::<Vec<_>>()))
}

/// Where a setting's value comes from.
fn origin(setting: &Setting, config: &TrainConfig, flags: &args::SettingFlags, recipe: &str) -> String {
    let key = setting.key;
    if flags.0.contains_key(key) {
        return setting.flag();
    }
    let value = config.text(key);
    // A default without effect is unset.
    let given =
        defaults().ok().and_then(|defaults| defaults.get(key)).filter(|given| Some(given.text()) == value);
    match given {
        Some(given) => given.origin.clone(),
        None if value != TrainConfig::default().text(key) => format!("recipe {recipe}"),
        None => "default".to_owned(),
    }
}
