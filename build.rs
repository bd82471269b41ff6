//! Hashes the kernel table (shaders, kernels and the operations that they compute), and embeds the tuning files of
//! `assets/tuning/` in the program.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    for folder in ["shaders", "src/kernels", "src/ops", "assets/tuning"] {
        println!("cargo:rerun-if-changed={folder}");
    }
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    let operations = files("src/ops", "rs")?.into_iter().filter(|file| !is_elsewhere(file));
    for file in files("shaders", "wgsl")?.into_iter().chain(files("src/kernels", "rs")?).chain(operations) {
        hash.add(&file.to_string_lossy().replace('\\', "/"));
        hash.add(&code(&fs::read_to_string(&file)?));
    }
    println!("cargo:rustc-env=VGG_KERNEL_TABLE={:016x}", hash.0);
    let mut list = String::from("&[\n");
    for file in files("assets/tuning", "toml")? {
        let path = file.canonicalize()?;
        list += &format!("    ({:?}, include_str!({path:?})),\n", file.to_string_lossy());
    }
    list += "]\n";
    fs::write(Path::new(&env::var_os("OUT_DIR").unwrap_or_default()).join("shipped.rs"), list)
}

/// The files of a folder and those in it, in a fixed order.
fn files(folder: &str, extension: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a file of an operation is no part of its kernels: its CPU twin and its checks.
fn is_elsewhere(file: &Path) -> bool {
    const ROLES: [&str; 3] = ["cpu", "reference", "check"];
    file.components()
        .any(|part| Path::new(&part).file_stem().is_some_and(|stem| ROLES.iter().any(|r| stem == *r)))
}

/// The code without comments, blank lines and tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// The 64-bit hash FNV-1a.
struct Fnv(u64);

impl Fnv {
    fn add(&mut self, text: &str) {
        for byte in text.bytes().chain([0]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
