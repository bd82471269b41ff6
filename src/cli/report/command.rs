//! `vgg report`.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;

use super::{
    one::{Measured, Report, marks, title},
    page::{earlier, write_page},
    several::{self, Run},
};
use crate::{
    cli::{Usage, output::print, paper::paper},
    pictures::LineStyle,
    train::Checkpoint,
};

/// `vgg report`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Flags {
    /// Run directories, or checkpoints in them.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// The page to write. Unset, report.html in the directory of one run, or comparison.html in the current folder for several.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Writes a page that compares runs, as many as it can tell apart.
pub(in crate::cli) fn compare(runs: &[PathBuf], page: &Path) -> Result<()> {
    let paths: Vec<PathBuf> =
        runs.iter().take(LineStyle::ALL).map(|run| checkpoint(run)).collect::<Result<_>>()?;
    write_page(page, &several::html(&read(&paths)?)?)
}

/// Runs `vgg report`.
pub(in crate::cli) fn run(flags: &Flags) -> Result<()> {
    if flags.runs.len() > LineStyle::ALL {
        let (all, most) = (flags.runs.len(), LineStyle::ALL);
        bail!(Usage(format!("{all} runs: a page can tell the curves of {most} apart; name fewer")));
    }
    let mut paths: Vec<PathBuf> = Vec::new();
    for run in &flags.runs {
        let path = checkpoint(run)?;
        let same = |other: &PathBuf| match (other.canonicalize(), path.canonicalize()) {
            (Ok(one), Ok(other)) => one == other,
            _ => false,
        };
        if paths.iter().any(same) {
            bail!(Usage(format!("{} is named twice; name each run once", run.display())));
        }
        paths.push(path);
    }
    let (path, html) = match &paths[..] {
        [checkpoint] => {
            let path = flags.output.clone().unwrap_or_else(|| checkpoint.with_file_name("report.html"));
            (path, one(checkpoint)?)
        }
        _ => {
            let path = flags.output.clone().unwrap_or_else(|| PathBuf::from("comparison.html"));
            (path, several::html(&read(&paths)?)?)
        }
    };
    write_page(&path, &html)?;
    print(&format!("report     {}\n", path.display()))
}

/// The checkpoint of a run. A checkpoint is complete at all times, so a run may go on meanwhile.
fn checkpoint(run: &Path) -> Result<PathBuf> {
    let shown = run.display();
    if !run.exists() {
        bail!("there is no {shown}; name the directory of a run, or a checkpoint in it");
    }
    if !run.is_dir() {
        return Ok(run.to_owned());
    }
    let path = run.join("checkpoint.safetensors");
    match path.is_file() {
        true => Ok(path),
        false if run.join("seeds.csv").is_file() => {
            bail!("{shown} has the runs of several seeds; name them, as in vgg report {shown}/seed-*")
        }
        false if run.join("config.toml").is_file() => bail!(
            "{shown} has a config.toml, but no checkpoint.safetensors: a run is reported once its first epoch is over, or once it is \
             stopped; wait for that, or name another run"
        ),
        false => bail!(
            "{shown} is not the directory of a run: it has no checkpoint.safetensors; name a directory that vgg train wrote, or a \
             checkpoint in it"
        ),
    }
}

/// The report of a run. What only the device and the data can tell is taken from the page at the end of the run.
fn one(path: &Path) -> Result<String> {
    let Checkpoint { weights, config, progress } = Checkpoint::read(path)?;
    let [begin, end] = marks(progress.step);
    let measured = match earlier(&path.with_file_name("report.html"), [&begin, &end]) {
        Some(part) => Measured::Earlier(part),
        None => Measured::Unknown(format!(
            "The confusion matrix and the images with the highest loss need the data and a device: vgg train adds them at the end of a \
             run, and vgg eval --weights {} --data {} measures these weights.",
            path.display(),
            config.data
        )),
    };
    Report {
        title: &title(&weights.info, &config),
        config: &config,
        network: &weights.network,
        progress: &progress,
        filters: &weights.values(0),
        paper: paper(&config)?,
        measured,
    }
    .html()
}

fn read(paths: &[PathBuf]) -> Result<Vec<Run>> {
    let names = names(paths);
    paths.iter().zip(names).map(|(path, name)| Run::read(name, path)).collect()
}

/// Names by which the runs differ: their directories, with as many folders above as that takes.
fn names(paths: &[PathBuf]) -> Vec<String> {
    let folders: Vec<Vec<String>> = paths
        .iter()
        .map(|path| {
            let whole = path.canonicalize().unwrap_or_else(|_| path.clone());
            let folder = whole.parent().unwrap_or(&whole);
            folder.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect()
        })
        .collect();
    let longest = folders.iter().map(Vec::len).max().unwrap_or(1);
    let with = |count: usize| -> Vec<String> {
        folders.iter().map(|parts| parts[parts.len().saturating_sub(count)..].join("/")).collect()
    };
    let differ = |names: &[String]| (1..names.len()).all(|i| !names[..i].contains(&names[i]));
    // Two checkpoints in one directory differ by their files.
    (1..=longest)
        .map(with)
        .find(|names| differ(names))
        .unwrap_or_else(|| paths.iter().map(|path| path.display().to_string()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_short_as_they_can_be() {
        let of = |paths: &[&str]| {
            let paths: Vec<PathBuf> = paths
                .iter()
                .map(|path| Path::new("/nowhere").join(path).join("checkpoint.safetensors"))
                .collect();
            names(&paths).join(" ")
        };
        assert_eq!(of(&["runs/a", "runs/b"]), "a b");
        assert_eq!(of(&["one/a", "two/a", "two/b"]), "one/a two/a two/b");
        let paths = ["a", "b"].map(|name| PathBuf::from(format!("/nowhere/{name}.safetensors")));
        assert_eq!(names(&paths), ["/nowhere/a.safetensors", "/nowhere/b.safetensors"]);
    }
}
