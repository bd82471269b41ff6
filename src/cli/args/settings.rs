//! The flags of the settings, made from their table.

use std::sync::LazyLock;

use clap::{
    Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, builder::PossibleValuesParser,
    builder::TypedValueParser,
};
use toml::Value;

use crate::train::{Flags, SETTINGS, Setting, TrainConfig};

/// The settings that were given; one that is absent leaves the recipe's value.
#[derive(Clone, Debug)]
pub(in crate::cli) struct SettingFlags(pub(in crate::cli) Flags);

/// A setting with what clap borrows for its flag.
struct Flag {
    setting: &'static Setting,
    long: String,
    /// Other names, which help does not show.
    also: Vec<String>,
    value_name: String,
    words: Vec<String>,
    help: String,
    long_help: String,
}

static FLAGS: LazyLock<Vec<Flag>> = LazyLock::new(|| {
    let [report, quick] = ["report", "quick"]
        .map(|name| TrainConfig::builtin(name).expect("recipes inside the program are sound"));
    // --recipe names the recipe to start from.
    let settings = SETTINGS.iter().filter(|setting| setting.key != "recipe");
    let flag = |setting: &'static Setting| {
        let is_switch = setting.is_switch();
        let words = if is_switch { vec!["true".to_owned(), "false".to_owned()] } else { setting.words() };
        // clap lists words itself.
        let values = if words.is_empty() { setting.values() } else { String::new() };
        let [default, other] = [&report, &quick].map(|config| setting.value(config));
        let quick = if other == default { String::new() } else { format!("quick: {other}") };
        let facts = [values.clone(), format!("default: {default}"), quick, setting.needs()];
        Flag {
            long: setting.flag().trim_start_matches('-').to_owned(),
            also: setting.also.iter().map(|name| name.replace('_', "-")).collect(),
            value_name: if is_switch { words.join("|") } else { setting.value_name() },
            help: plain(&setting.described([values]), &words),
            long_help: plain(&setting.described(facts), &words),
            setting,
            words,
        }
    };
    settings.map(flag).collect()
});

/// Text without the backticks of Markdown, and with flags in place of keys that are not among the setting's own words.
fn plain(text: &str, words: &[String]) -> String {
    let flag = |(at, part): (usize, &str)| match SETTINGS.iter().find(|setting| setting.key == part) {
        Some(setting) if at % 2 == 1 && !words.iter().any(|word| word == part) => setting.flag(),
        _ => part.to_owned(),
    };
    text.split('`').enumerate().map(flag).collect()
}

/// What a setting does, for commands that have a flag of the same name.
pub(super) fn help(key: &str) -> &'static str {
    FLAGS.iter().find(|flag| flag.setting.key == key).map_or("", |flag| &flag.help)
}

fn arg(flag: &'static Flag) -> Arg {
    let setting = flag.setting;
    let mut arg = Arg::new(setting.key)
        .long(flag.long.as_str())
        .value_name(flag.value_name.as_str())
        .help_heading(setting.group)
        .aliases(flag.also.iter().map(String::as_str))
        .help(flag.help.as_str())
        .long_help(flag.long_help.as_str())
        // So that the setting says what it must be.
        .allow_negative_numbers(true);
    if let Some(short) = setting.short {
        arg = arg.short(short);
    }
    let parse = |text: &str| {
        setting.parse(text).ok_or_else(|| format!("must be {}", plain(&setting.values(), &flag.words)))
    };
    arg = if flag.words.is_empty() {
        arg.value_parser(parse)
    } else {
        let words = flag.words.iter().map(String::as_str);
        arg.value_parser(PossibleValuesParser::new(words).try_map(move |word| parse(&word)))
    };
    match (setting.is_switch(), setting.is_list()) {
        (true, _) => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        (_, true) => arg.action(ArgAction::Append).value_delimiter(','),
        _ => arg,
    }
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        command.args(FLAGS.iter().map(arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |setting: &Setting| {
            let values = matches.get_many::<Value>(setting.key)?.cloned();
            values.reduce(|mut list, more| {
                if let (Value::Array(list), Value::Array(more)) = (&mut list, more) {
                    list.extend(more);
                }
                list
            })
        };
        let settings = FLAGS.iter().map(|flag| flag.setting);
        Ok(Self(settings.filter_map(|setting| Some((setting.key.to_owned(), given(setting)?))).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.extend(Self::from_arg_matches(matches)?.0);
        Ok(())
    }
}
