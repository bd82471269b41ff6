//! The built `vgg`, run in a folder.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use assert_cmd::cargo::cargo_bin;

/// `vgg` with these arguments, in a folder that is also its cache.
pub fn vgg(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(cargo_bin("vgg"));
    command
        .current_dir(folder)
        .args(args)
        .stdin(Stdio::null())
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env("XDG_CONFIG_HOME", folder.join("config"));
    command
}

pub fn run(folder: &Path, args: &[&str]) -> Output {
    vgg(folder, args).output().unwrap()
}

/// The arguments of a line without quotes.
pub fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
pub fn succeed(folder: &Path, args: &[&str]) -> Output {
    let output = run(folder, args);
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    output
}

/// The command fails with this code and all of `says`, and does not panic. Its output.
#[track_caller]
pub fn fail(folder: &Path, args: &[&str], code: i32, says: &[&str]) -> Output {
    let output = run(folder, args);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
    for part in says {
        assert!(stderr.contains(part), "{args:?}: no {part:?} in {stderr}");
    }
    output
}
