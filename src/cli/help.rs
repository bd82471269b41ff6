//! `vgg --help`, with the commands by purpose.

use clap::Command;

/// Purposes, and the commands of each.
const PURPOSES: [(&str, &[&str]); 6] = [
    ("Train", &["train", "compare", "report"]),
    ("Use", &["predict", "eval", "explain"]),
    ("Make smaller, take elsewhere", &["prune", "quantize", "export"]),
    ("Look before training", &["settings", "summary", "plan", "devices"]),
    ("Kernels and speed", &["verify", "tune", "kernels", "bench", "profile"]),
    ("The program itself", &["completions", "man", "help"]),
];

/// The command line with its commands by purpose in the overview.
pub(super) fn by_purpose(mut command: Command) -> Command {
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
