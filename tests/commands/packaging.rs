//! What leaves this machine: packages and archives; and what scripts/test does to it. For Linux, as the scripts are.

use std::{
    env, fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use assert_cmd::cargo::cargo_bin;
use flate2::{Compression, write::GzEncoder};
use tempfile::tempdir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The most that a package registry takes, in bytes.
const LARGEST: usize = 10_000_000;

/// The files that the sources in a folder include in the program, by their paths from the root.
fn included(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap()) {
        let name = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            found.extend(included(&name));
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(entry.path()).unwrap();
            let rests =
                ["include_str!(", "include_bytes!("].map(|call| text.split(call).skip(1).collect::<Vec<_>>());
            let paths = rests
                .iter()
                .flatten()
                .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
            found.extend(paths.map(|path| {
                let (ups, path) = (path.matches("../").count(), path.trim_start_matches("../"));
                let folders: Vec<&str> = folder.split('/').collect();
                folders[..folders.len() - ups].iter().map(|folder| format!("{folder}/")).collect::<String>()
                    + path
            }));
        }
    }
    found
}

/// Both packages are small enough, and have what the program is built from and nothing that only tests need.
#[test]
fn the_packages_are_small_and_complete() {
    let cargo = env::var_os("CARGO").map_or(PathBuf::from("cargo"), PathBuf::from);
    for (package, folder, needed, absent) in [
        (
            "vgg-wgpu",
            root().to_owned(),
            &[
                "build.rs",
                "src/main.rs",
                "assets/mnist/t10k-images-idx3-ubyte.gz",
                "LICENSE-MIT",
                "README.md",
            ][..],
            &["tests/", "docs/", "scripts/", "assets/golden/"][..],
        ),
        ("vgg-wgpu-mnist", root().join("assets/mnist/train"), &["lib.rs", "train-images-idx3-ubyte.gz"], &[]),
    ] {
        let mut list = Command::new(&cargo);
        list.current_dir(root()).args([
            "package",
            "--list",
            "--allow-dirty",
            "--offline",
            "--package",
            package,
        ]);
        let output = list.output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let list = text(&output.stdout);
        let files: Vec<&str> = list.lines().collect();
        for needed in needed {
            assert!(files.contains(needed), "{package} lacks {needed}: {list}");
        }
        for absent in absent {
            assert!(files.iter().all(|file| !file.starts_with(absent)), "{package} has {absent}: {list}");
        }
        if package == "vgg-wgpu" {
            let sources = included("src");
            assert!(sources.len() > 5, "{sources:?}");
            for source in &sources {
                assert!(files.contains(&source.as_str()), "{package} lacks {source}: {list}");
            }
        }
        // Cargo makes a few more files of a known small size.
        let mut archive = GzEncoder::new(Vec::new(), Compression::best());
        for file in files {
            archive.write_all(&fs::read(folder.join(file)).unwrap_or_default()).unwrap();
        }
        let bytes = archive.finish().unwrap().len();
        println!("{package}: {bytes} bytes");
        assert!(bytes < LARGEST, "{package} has {bytes} bytes");
    }
}

#[test]
fn a_release_is_an_archive_with_licences_and_its_hash() {
    let dir = tempdir().unwrap();
    let release = |more: &[&str]| Command::new(root().join("scripts/release")).args(more).output().unwrap();
    let (vgg, out) = (cargo_bin("vgg"), dir.path().join("dist"));
    let output = release(&["--binary", vgg.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let mut names: Vec<String> =
        fs::read_dir(&out).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let [archive, hash] = &names[..] else { panic!("{names:?}") };
    assert_eq!(*hash, format!("{archive}.sha256"));
    let shell = |line: &str| {
        let output = Command::new("sh").current_dir(&out).args(["-c", line]).output().unwrap();
        assert!(output.status.success(), "{line}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    shell(&format!("sha256sum --check {hash}"));
    let folder = archive.strip_suffix(".tar.gz").unwrap();
    assert!(folder.starts_with(concat!("vgg-wgpu-", env!("CARGO_PKG_VERSION"), "-")), "{folder}");
    let expected = [
        "LICENSE",
        "LICENSE-APACHE",
        "LICENSE-IMAGENET-CLASSES",
        "LICENSE-MIT",
        "LICENSE-MNIST.md",
        "README.md",
        "THIRD-PARTY.txt",
        "vgg",
    ];
    let listed: String = expected.iter().map(|name| format!("{folder}/{name}\n")).collect();
    assert_eq!(shell(&format!("tar -tzf {archive}")), format!("{folder}/\n{listed}"));
    shell(&format!("tar -xzf {archive}"));
    assert!(shell(&format!("{folder}/vgg --version")).starts_with("vgg "));
    let licences = fs::read_to_string(out.join(folder).join("THIRD-PARTY.txt")).unwrap();
    assert!(licences.contains("\nwgpu 30.") && licences.contains("Permission is hereby granted"));
    for test_only in ["proptest", "assert_cmd", "serde_derive"] {
        assert!(!licences.contains(&format!("\n{test_only} ")), "{test_only} is not in the program");
    }
    for (wrong, says) in
        [(&["--binary", "/nowhere"][..], "/nowhere is not a program"), (&["--x"], "unknown option --x")]
    {
        let output = release(wrong);
        assert_eq!((output.status.code(), text(&output.stderr).contains(says)), (Some(2), true));
    }
}

/// scripts/test on a machine without a Vulkan driver, where every program that it calls records its arguments.
#[test]
fn the_test_script_installs_only_after_saying_so_and_never_with_no_install() {
    let dir = tempdir().unwrap();
    for (name, lines) in [
        ("ldconfig", ""),
        ("sudo", "shift; exec \"$@\""),
        ("apt-get", "echo \"apt-get $*\" >&2; echo \"apt-get $*\" >>log"),
        ("cargo", "echo \"cargo $*\" >>log"),
        ("renderdoccmd", ""),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, format!("#!/bin/sh\ncd {}\n{lines}\n", dir.path().display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let run = |arguments: &[&str], skip: Option<&str>| -> (Output, String) {
        let mut command = Command::new(root().join("scripts/test"));
        let path = format!("{}:{}", dir.path().display(), env::var("PATH").unwrap());
        command
            .args(arguments)
            .env("PATH", path)
            .env("XDG_RUNTIME_DIR", dir.path())
            .env_remove("VGG_SKIP_GPU");
        skip.map(|value| command.env("VGG_SKIP_GPU", value));
        let output = command.output().unwrap();
        let log = fs::read_to_string(dir.path().join("log")).unwrap_or_default();
        let _ = fs::remove_file(dir.path().join("log"));
        (output, log)
    };
    let (output, log) = run(&["--no-install", "--test", "cpu"], None);
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), log.as_str()), (Some(1), ""), "{said}");
    assert!(said.contains("no Vulkan driver, and --no-install forbids"), "{said}");
    assert!(said.contains("sudo apt-get install libvulkan1 mesa-vulkan-drivers"), "{said}");

    let (output, log) = run(&["--no-install", "--test", "cpu"], Some("1"));
    assert_eq!(
        (output.status.code(), log.as_str()),
        (Some(0), "cargo test --release --no-fail-fast --test cpu\n")
    );

    let (output, log) = run(&["--test", "cpu"], None);
    let said = text(&output.stderr);
    assert!(
        said.starts_with("scripts/test: no Vulkan driver found: installing libvulkan1 mesa-vulkan"),
        "{said}"
    );
    assert!(output.status.success() && log.contains("libvulkan1 mesa-vulkan-drivers\ncargo test"), "{log}");
}
