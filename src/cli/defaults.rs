//! A user's own defaults, from environment variables and a configuration file: of `--device`, `--recipe` and `--tuning`, and of every
//! setting.

use std::{
    env, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use anyhow::Result;
use toml::Value;

use super::Usage;
use crate::{
    cache,
    train::{Flags, SETTINGS, plain, unknown_key},
};

/// The variable that names another configuration file, or is `off`.
const FILE_VARIABLE: &str = "VGG_CONFIG";

/// The flags besides the settings. `recipe` is the recipe to start from here, not its name.
pub(super) const OTHERS: [&str; 3] = ["recipe", "device", "tuning"];

/// A user's defaults.
#[derive(Debug, Default)]
pub(super) struct Defaults {
    /// The configuration file, which need not exist.
    pub(super) file: Option<PathBuf>,
    pub(super) found: bool,
    given: Vec<Given>,
}

/// A default that the user gave.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) key: String,
    pub(super) value: Value,
    /// The variable or the file.
    pub(super) origin: String,
}

impl Given {
    /// The value as text, words without quotes.
    pub(super) fn text(&self) -> String {
        plain(&self.value)
    }
}

static DEFAULTS: LazyLock<Result<Defaults, String>> =
    LazyLock::new(|| Defaults::read(&|name| env::var(name).ok()));

/// The defaults of this user.
///
/// # Errors
/// [`Usage`] with the variable or the file and key that cannot be used.
pub(super) fn defaults() -> Result<&'static Defaults> {
    DEFAULTS.as_ref().map_err(|error| Usage(error.clone()).into())
}

/// The value of a flag, one of words, that is not given: the user's default, or else `own`.
pub(super) fn or(key: &str, own: &'static str) -> &'static str {
    let given = DEFAULTS.as_ref().ok().and_then(|defaults| defaults.get(key));
    given.and_then(|given| given.value.as_str()).unwrap_or(own)
}

/// As [`or`] for the device of commands about kernels: the CPU device has none.
pub(super) fn gpu() -> &'static str {
    match or("device", "auto") {
        "cpu" => "auto",
        device => device,
    }
}

impl Defaults {
    /// Variables take precedence over the file.
    fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let named = variable(FILE_VARIABLE).filter(|name| !name.is_empty());
        let file = match named.as_deref() {
            Some("off") => None,
            Some(path) => Some(PathBuf::from(path)),
            None => cache::config_file(),
        };
        let mut defaults = Self { file, ..Self::default() };
        let text =
            defaults.file.as_deref().map(|file| read_file(file, named.is_some())).transpose()?.flatten();
        let table = match (&text, &defaults.file) {
            (Some(text), Some(file)) => parse(file, text)?,
            _ => Flags::new(),
        };
        defaults.found = text.is_some();
        let settings = SETTINGS.iter().map(|setting| setting.key).filter(|key| !OTHERS.contains(key));
        for key in OTHERS.into_iter().chain(settings) {
            let name = format!("VGG_{}", key.to_uppercase());
            let (value, origin) = match (variable(&name).filter(|text| !text.is_empty()), table.get(key)) {
                (Some(text), _) => (from_text(key, &name, text)?, name),
                (None, Some(value)) => {
                    let file =
                        defaults.file.as_ref().map_or_else(String::new, |file| file.display().to_string());
                    (value.clone(), file)
                }
                (None, None) => continue,
            };
            defaults.given.push(Given { key: key.to_owned(), value, origin });
        }
        Ok(defaults)
    }

    pub(super) fn get(&self, key: &str) -> Option<&Given> {
        self.given.iter().find(|given| given.key == key)
    }

    /// Those of settings.
    pub(super) fn settings(&self) -> Flags {
        let settings = self.given.iter().filter(|given| !OTHERS.contains(&given.key.as_str()));
        settings.map(|given| (given.key.clone(), given.value.clone())).collect()
    }

    /// A line that names every default of a setting or a recipe with its origin; `None` without any.
    pub(super) fn line(&self) -> Option<String> {
        let of_training =
            self.given.iter().filter(|given| !["device", "tuning"].contains(&given.key.as_str()));
        let parts: Vec<String> =
            of_training.map(|given| format!("{} {} ({})", given.key, given.text(), given.origin)).collect();
        (!parts.is_empty()).then(|| format!("defaults  {}", parts.join(", ")))
    }
}

/// The text of the file; `None` if there is none, which is an error only of a file that the user named.
fn read_file(file: &Path, named: bool) -> Result<Option<String>, String> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound && !named => Ok(None),
        Err(error) => {
            let way_out = if named { "name another, or off" } else { "mend it, or set VGG_CONFIG=off" };
            Err(format!("cannot read the configuration file {}: {error}; {way_out}", file.display()))
        }
    }
}

/// The keys and values of a configuration file, each of its type.
fn parse(file: &Path, text: &str) -> Result<Flags, String> {
    let origin = format!("configuration file {}", file.display());
    let table: Flags = toml::from_str(text).map_err(|error| format!("{origin}: {error}"))?;
    for (key, value) in &table {
        let checked = match SETTINGS.iter().find(|setting| setting.key == key) {
            _ if OTHERS.contains(&key.as_str()) => {
                value.as_str().map(|_| ()).ok_or_else(|| "expected a text in quotes".to_owned())
            }
            Some(setting) => setting.check(value),
            None => return Err(unknown_key(&origin, key).to_string()),
        };
        checked.map_err(|message| format!("{origin}: {key} is {value}: {message}"))?;
    }
    Ok(table)
}

fn from_text(key: &str, name: &str, text: String) -> Result<Value, String> {
    if OTHERS.contains(&key) {
        return Ok(Value::String(text));
    }
    let setting = SETTINGS.iter().find(|setting| setting.key == key).expect("a key of the table");
    setting
        .parse_whole(&text)
        .ok_or_else(|| format!("{name} is {text:?}, but must be {}", setting.values().replace('`', "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Defaults, String> {
        Defaults::read(&|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn variables_take_precedence_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine.toml");
        fs::write(&file, "device = \"cpu\"\nbatch_size = 32\nlr_milestones = [2, 5]\n").unwrap();
        let path = file.to_str().unwrap();
        let defaults =
            read(&[("VGG_CONFIG", path), ("VGG_BATCH_SIZE", "16"), ("VGG_WIDTHS", "8,M")]).unwrap();
        let text = |key: &str| defaults.get(key).map(|given| (given.text(), given.origin.as_str()));
        assert_eq!(text("device"), Some(("cpu".into(), path)));
        assert_eq!(text("batch_size"), Some(("16".into(), "VGG_BATCH_SIZE")));
        assert_eq!(text("lr_milestones"), Some(("[2, 5]".into(), path)));
        assert_eq!(text("lr"), None);
        let keys: Vec<String> = defaults.settings().keys().cloned().collect();
        assert_eq!(keys, ["batch_size", "lr_milestones", "widths"]);
        assert!(defaults.found);
        let lists = read(&[("VGG_CONFIG", "off"), ("VGG_LR_MILESTONES", "3,4")]).unwrap();
        assert_eq!(lists.get("lr_milestones").unwrap().text(), "[3, 4]");
        assert!(lists.line().unwrap().contains("lr_milestones [3, 4] (VGG_LR_MILESTONES)"));
        assert!(read(&[("VGG_CONFIG", "off")]).unwrap().line().is_none());
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine.toml");
        let path = file.to_str().unwrap();
        let error = |text: &str| {
            fs::write(&file, text).unwrap();
            read(&[("VGG_CONFIG", path)]).unwrap_err()
        };
        for (text, says) in [
            ("batchsize = 3", "did you mean \"batch_size\""),
            ("batch_size = \"x\"", "batch_size is \"x\""),
            ("device = 3", "device is 3: expected a text in quotes"),
            ("batch_size =", "mine.toml: "),
        ] {
            let error = error(text);
            assert!(error.contains(says) && error.contains("mine.toml"), "{error}");
        }
        let none = read(&[("VGG_CONFIG", "/nowhere/mine.toml")]).unwrap_err();
        assert!(none.contains("/nowhere/mine.toml") && none.contains("or off"), "{none}");
        let wrong = read(&[("VGG_CONFIG", "off"), ("VGG_LR", "fast")]).unwrap_err();
        assert_eq!(wrong, "VGG_LR is \"fast\", but must be 1e-12 to 100");
    }
}
