//! `vgg --help`, with the commands by purpose.

use clap::{Arg, Command};

/// Purposes, and the commands of each.
const PURPOSES: [(&str, &[&str]); 6] = [
    ("Train", &["train", "compare", "report"]),
    ("Use", &["predict", "eval", "explain"]),
    ("Make smaller, take elsewhere", &["prune", "quantize", "export"]),
    ("Look before training", &["settings", "summary", "plan", "devices"]),
    ("Kernels and speed", &["verify", "tune", "kernels", "bench", "profile"]),
    ("The program itself", &["completions", "man", "help"]),
];

/// Headings of settings that `vgg summary` takes, as every command with a recipe does, but that change nothing in it.
const OF_TRAINING: [&str; 5] = ["Augmentation", "Training", "Optimiser", "Schedule", "Run"];

/// The command line with its commands by purpose in the overview.
pub(super) fn by_purpose(command: Command) -> Command {
    let of_training =
        |arg: &Arg| arg.get_help_heading().is_some_and(|heading| OF_TRAINING.contains(&heading));
    let mut command = command.mut_subcommand("summary", |summary| {
        // It needs no device, so its default recipe depends on none.
        let recipe = "The settings to start from: report (the paper's; default), quick, fashion, cifar, or a TOML file";
        summary
            .mut_arg("recipe", |arg| arg.help(recipe).long_help(recipe))
            .mut_args(|arg| if of_training(&arg) { arg.hide(true) } else { arg })
    });
    command.build();
    let about = |name: &str| {
        let found = command.find_subcommand(name);
        found.and_then(Command::get_about).map_or_else(String::new, ToString::to_string)
    };
    let mut list = String::new();
    for (purpose, names) in PURPOSES {
        list += &format!("{purpose}:\n");
        for name in names {
            list += &format!("  {name:<12}{}\n", shorter(&about(name)));
        }
        list.push('\n');
    }
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{list}Options:\n{{options}}"
    ))
}

/// The part before the first colon or semicolon, to fit a line of 80 columns if possible.
fn shorter(about: &str) -> &str {
    about.split([':', ';']).next().unwrap_or(about)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_command_has_one_purpose() {
        let mut command = Cli::command();
        command.build();
        let mut all: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        let mut listed: Vec<&str> = PURPOSES.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        all.sort_unstable();
        listed.sort_unstable();
        assert_eq!(all, listed);
    }
}
