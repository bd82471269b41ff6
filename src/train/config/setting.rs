//! A setting as one value: the row of [`SETTINGS`], and the code common to all rows.

use toml::Value;

use super::{
    error::ConfigError,
    table::{SETTINGS, TrainConfig},
};

/// The flags that the user gave, under the names of [`TrainConfig`]'s fields.
pub type Flags = toml::Table;

/// One field of [`TrainConfig`]: the key of a recipe and, with dashes, the flag of `vgg train`.
pub(crate) struct Setting {
    pub(crate) key: &'static str,
    /// Its heading.
    pub(crate) group: &'static str,
    /// What it does; settings, flags and words in backticks.
    pub(super) doc: &'static str,
    /// Its meaning when unset, for settings that may be unset.
    pub(super) unset: Option<&'static str>,
    pub(super) value_name: Option<&'static str>,
    pub(crate) short: Option<char>,
    /// Other names that users try.
    pub(crate) also: &'static [&'static str],
    /// Its values in words, where something else checks them.
    pub(super) values: Option<fn() -> String>,
    pub(super) limits: &'static [Limit],
    pub(super) needs: &'static [Need],
    /// The epochs after which the learning rate first falls by it.
    pub(super) falls: Option<fn(&TrainConfig) -> u32>,
    pub(super) accepts: fn(Value) -> Result<(), String>,
    pub(super) get: fn(&TrainConfig) -> Option<Value>,
    pub(super) reset: fn(&mut TrainConfig),
}

/// A condition on a setting's value.
pub(super) struct Limit {
    pub(super) text: &'static str,
    pub(super) holds: fn(&TrainConfig) -> bool,
}

impl Limit {
    /// `0.0 to 1.0` is "0 to 1".
    fn text(&self) -> String {
        self.text.split(' ').map(|word| word.trim_end_matches(".0")).collect::<Vec<_>>().join(" ")
    }
}

/// Another setting without which a setting has no effect.
pub(super) struct Need {
    /// The flag that gives it an effect, as `--opt sgd`.
    pub(super) give: &'static str,
    /// Why there is no effect without it; `None`: because of the other setting's value.
    pub(super) because: Option<&'static str>,
    pub(super) met: fn(&TrainConfig) -> bool,
    /// Whether a recipe without it is refused; if not, only a flag is.
    pub(super) always: bool,
}

/// Declares [`TrainConfig`] with its defaults, and [`SETTINGS`].
macro_rules! settings {
    ($($(#[$meta:meta])* $group:ident { $(
        $(#[doc = $doc:literal])+
        $key:ident: $type:ty = $default:expr
            $(, unset $unset:literal)?
            $(, value $value:literal)?
            $(, short $short:literal)?
            $(, also $($also:literal)+)?
            $(, values $values:expr)?
            $(, in $low:literal to $high:literal)?
            $(, must $must:literal $holds:expr)*
            $(, only_with $only:literal $only_met:expr $(, because $only_because:literal)?)*
            $(, idle_without $idle:literal $idle_met:expr $(, because $idle_because:literal)?)*
            $(, falls $falls:expr)?;
    )+ })+) => {
        /// The configuration of a training run, except for the device.
        ///
        /// The fields are the keys of a recipe and, with dashes, the flags of `vgg train`; docs/settings.md lists them with
        /// their ranges. A key that a recipe leaves out has the value of [`TrainConfig::default`], the `report` recipe.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct TrainConfig { $($(
            $(#[doc = $doc])+
            $(
                #[doc = concat!("\n\n`None`: ", $unset, ".")]
                #[serde(skip_serializing_if = "Option::is_none")]
            )?
            pub $key: $type,
        )+)+ }

        impl Default for TrainConfig {
            /// The paper's network and training; the recipe `report`.
            fn default() -> Self {
                Self { $($($key: $default,)+)+ }
            }
        }

        /// Every setting, in the order of help, recipes and docs/settings.md.
        pub(crate) static SETTINGS: &[Setting] = &[$($(Setting {
            key: stringify!($key),
            group: stringify!($group),
            doc: concat!($($doc),+),
            unset: optional!($($unset)?),
            value_name: optional!($($value)?),
            short: optional!($($short)?),
            also: &[$($($also),+)?],
            values: optional!($(|| String::from($values))?),
            limits: &[
                $(Limit { text: concat!($low, " to ", $high), holds: |c| within(c.$key, $low..=$high) },)?
                $(Limit { text: $must, holds: $holds },)*
            ],
            needs: &[
                $(Need { give: $only, because: optional!($($only_because)?), met: $only_met, always: true },)*
                $(Need { give: $idle, because: optional!($($idle_because)?), met: $idle_met, always: false },)*
            ],
            falls: optional!($($falls)?),
            accepts: |value| match value.try_into::<$type>() {
                Ok(_) => Ok(()),
                Err(error) => Err(error.message().trim().to_owned()),
            },
            get: |c| Value::try_from(&c.$key).ok(),
            reset: |c| c.$key = TrainConfig::default().$key,
        },)+)+];
    };
}

/// The expression, or `None` without one.
#[rustfmt::skip]
macro_rules! optional {
    () => { None };
    ($value:expr) => { Some($value) };
}

pub(super) use {optional, settings};

/// Whether a value is in a range; one that is not set is in every range.
pub(super) fn within<T: PartialOrd>(value: impl Into<Option<T>>, range: std::ops::RangeInclusive<T>) -> bool {
    value.into().is_none_or(|value| range.contains(&value))
}

impl Setting {
    /// The setting of a key, which exists.
    pub(crate) fn of(key: &str) -> &'static Self {
        SETTINGS.iter().find(|setting| setting.key == key).expect("a key of the table")
    }

    /// `batch_size` is `--batch-size`.
    pub(crate) fn flag(&self) -> String {
        format!("--{}", self.key.replace('_', "-"))
    }

    /// The placeholder of its value in help and recipes.
    pub(crate) fn value_name(&self) -> String {
        self.value_name.map_or(self.key.to_uppercase(), str::to_owned)
    }

    /// Whether it is on or off.
    pub(crate) fn is_switch(&self) -> bool {
        (self.accepts)(Value::Boolean(true)).is_ok()
    }

    /// Whether it has several values.
    pub(crate) fn is_list(&self) -> bool {
        (self.accepts)(Value::Array(Vec::new())).is_ok()
    }

    /// The words of an enum, as the error for another word lists them; none for other types.
    pub(crate) fn words(&self) -> Vec<String> {
        let error = (self.accepts)(Value::String(String::new())).err().unwrap_or_default();
        // unknown variant ``, expected one of `adam`, `sgd`
        error.split('`').skip(3).step_by(2).map(str::to_owned).collect()
    }

    /// The value of a flag's text; for a list, with this one element.
    pub(crate) fn parse(&self, text: &str) -> Option<Value> {
        let numbers = [text.parse().ok().map(Value::Integer), text.parse().ok().map(Value::Float)];
        let others = [text.parse().ok().map(Value::Boolean), Some(Value::String(text.to_owned()))];
        let candidates = numbers.into_iter().chain(others).flatten();
        let mut values =
            candidates.map(|value| if self.is_list() { Value::Array(vec![value]) } else { value });
        values.find(|value| (self.accepts)(value.clone()).is_ok())
    }

    /// Whether a value is of its type, or what it should be; ranges are checked with the other settings.
    pub(crate) fn check(&self, value: &Value) -> Result<(), String> {
        (self.accepts)(value.clone())
    }

    /// The value of a text, with commas between the elements of a list.
    pub(crate) fn parse_whole(&self, text: &str) -> Option<Value> {
        if !self.is_list() {
            return self.parse(text);
        }
        let elements = text.split(',').map(|part| match self.parse(part)? {
            Value::Array(mut one) => one.pop(),
            _ => None,
        });
        elements.collect::<Option<Vec<_>>>().map(Value::Array)
    }

    /// What it does, with facts in brackets, in Markdown.
    pub(crate) fn described(&self, facts: impl IntoIterator<Item = String>) -> String {
        let facts: Vec<String> = facts.into_iter().filter(|fact| !fact.is_empty()).collect();
        let doc = self.doc.trim().trim_end_matches('.');
        if facts.is_empty() { doc.to_owned() } else { format!("{doc} [{}]", facts.join("; ")) }
    }

    /// The values that it may have, in Markdown; empty: any of its type.
    pub(crate) fn values(&self) -> String {
        let words = self.words().into_iter().map(|word| format!("`{word}`"));
        let words = words.chain(self.values.map(|values| values()));
        words.chain(self.limits.iter().map(Limit::text)).collect::<Vec<_>>().join(", ")
    }

    /// Its value in `config`, or its meaning when unset, in Markdown.
    pub(crate) fn value(&self, config: &TrainConfig) -> String {
        let unset = || self.unset.unwrap_or_default().to_owned();
        config.text(self.key).map_or_else(unset, |text| format!("`{text}`"))
    }

    /// The settings without which it has no effect, in Markdown.
    pub(crate) fn needs(&self) -> String {
        let needs: Vec<String> = self.needs.iter().map(|need| format!("`{}`", need.give)).collect();
        if needs.is_empty() { String::new() } else { format!("only with {}", needs.join(" and ")) }
    }

    /// Whether it is unset or switched off in `config`.
    fn is_off(&self, config: &TrainConfig) -> bool {
        match (self.get)(config) {
            None | Some(Value::Boolean(false)) => true,
            Some(Value::Array(list)) => list.is_empty(),
            Some(Value::String(word)) => word == "none",
            Some(_) => false,
        }
    }
}

impl TrainConfig {
    /// A setting's value as text, words without quotes; `None`: it is not set.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        (Setting::of(key).get)(self).map(|value| plain(&value))
    }

    /// Checks every value, alone and together.
    ///
    /// # Errors
    /// [`ConfigError::Range`], [`ConfigError::NoEffect`], [`ConfigError::Network`] or [`ConfigError::Data`] with the first value
    /// that is out of range, and what is allowed.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.data_source()?;
        for setting in SETTINGS {
            if let Some(limit) = setting.limits.iter().find(|limit| !(limit.holds)(self)) {
                let missing = if setting.unset.is_some() { "unset" } else { "too large" };
                let value = self.text(setting.key).unwrap_or_else(|| missing.to_owned());
                return Err(ConfigError::Range { key: setting.key, value, range: limit.text() });
            }
        }
        for setting in SETTINGS {
            if let Some(need) = self.unmet(setting).find(|need| need.always) {
                return Err(self.no_effect(setting, setting.key, need));
            }
        }
        // Channels and classes are the data set's; image size, width, hidden and dropout are checked by these.
        self.vgg(1, 10).network()?;
        Ok(())
    }

    /// Unsets values that no flag set and that other flags have left without effect, as a recipe's momentum after `--opt adam`.
    pub(super) fn unset_idle(&mut self, flags: &Flags) {
        for setting in SETTINGS.iter().filter(|setting| !flags.contains_key(setting.key)) {
            if self.unmet(setting).any(|need| need.always) {
                (setting.reset)(self);
            }
        }
    }

    /// Refuses flags that have no effect with the other values, which are valid.
    ///
    /// # Errors
    /// [`ConfigError::NoEffect`] with the first of them, the reason, and the way out.
    ///
    /// A person who gives a flag means it. A recipe may have values without effect, unless it could leave them out.
    pub(super) fn refuse_idle(&self, flags: &Flags) -> Result<(), ConfigError> {
        for setting in SETTINGS.iter().filter(|setting| flags.contains_key(setting.key)) {
            if let Some(need) = self.unmet(setting).next() {
                return Err(self.no_effect(setting, &setting.flag(), need));
            }
            let (first, epochs) = (setting.falls.map_or(0, |falls| falls(self)), self.epochs);
            if first >= epochs {
                let (name, value) = (setting.flag(), self.text(setting.key).unwrap_or_default());
                let why = format!("the rate would fall after {first} epochs, and the run has {epochs}");
                let give = format!("at least --epochs {}", u64::from(first) + 1);
                return Err(ConfigError::NoEffect { name, value, why, give });
            }
        }
        Ok(())
    }

    /// The unmet conditions without which a setting has no effect.
    fn unmet<'a>(&'a self, setting: &'a Setting) -> impl Iterator<Item = &'static Need> + use<'a> {
        let needs = if setting.is_off(self) { &[] } else { setting.needs };
        needs.iter().filter(|need| !(need.met)(self))
    }

    fn no_effect(&self, setting: &Setting, name: &str, need: &Need) -> ConfigError {
        let other = need.give.trim_start_matches("--").split([' ', ',']).next().unwrap_or_default();
        let other = other.replace('-', "_");
        let is = || format!("{other} is {}", self.text(&other).unwrap_or_default());
        let why = need.because.map_or_else(is, str::to_owned);
        let value = self.text(setting.key).unwrap_or_default();
        ConfigError::NoEffect { name: name.to_owned(), value, why, give: need.give.to_owned() }
    }
}

/// The error for a key that does not exist, with the nearest that does.
pub(crate) fn unknown_key(origin: &str, key: &str) -> ConfigError {
    let written = key.to_lowercase().replace('-', "_");
    let names = SETTINGS.iter().flat_map(|setting| {
        let also = setting.also.iter().map(|also| (*also, setting.key));
        also.chain([(setting.key, setting.key)])
    });
    let best = names
        .map(|(name, meant)| (strsim::jaro_winkler(&written, name), meant))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness > 0.75);
    let hint = match best {
        Some((_, name)) => format!("did you mean {name:?}?"),
        None => {
            let mut keys: Vec<&str> = SETTINGS.iter().map(|setting| setting.key).collect();
            keys.sort_unstable();
            format!("the keys are {}", keys.join(", "))
        }
    };
    ConfigError::UnknownKey { origin: origin.into(), key: key.into(), hint }
}

/// A value as text, words without quotes.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        // 1e-8, where TOML has 0.00000001.
        Value::Float(number) => format!("{number:?}").trim_end_matches(".0").to_owned(),
        other => other.to_string(),
    }
}
