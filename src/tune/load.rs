//! Finds the tuning files that apply to a device.

use std::{
    convert::Infallible,
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use super::file::{Ignored, TuningFile};
use crate::{cache, gpu::DeviceInfo, kernels::Tuned};

/// The files of `assets/tuning/`: name and text.
const SHIPPED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

/// The source of tuning files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The file in the user's cache folder, if any, takes precedence over the shipped files.
    #[default]
    Automatic,
    /// This file takes precedence over the shipped files.
    File(PathBuf),
    /// None.
    Off,
}

impl FromStr for Source {
    type Err = Infallible;

    /// `off`, `auto`, or a file.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "auto" => Self::Automatic,
            "off" => Self::Off,
            file => Self::File(file.into()),
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Automatic => f.write_str("auto"),
            Self::Off => f.write_str("off"),
            Self::File(file) => file.display().fmt(f),
        }
    }
}

/// The tuning for a device, and notes for the user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The measured choices.
    pub tuned: Tuned,
    /// The file that is used, if any.
    pub used: Option<PathBuf>,
    /// One line for each file that was meant for this device but is not used.
    pub notes: Vec<String>,
}

/// Loads the tuning for a device. A file that does not apply is ignored with a note; a shipped file gets a note only if it
/// was measured on this device with other kernels.
///
/// # Errors
/// The system's error if the file of [`Source::File`] does not exist.
pub fn load(source: &Source, info: &DeviceInfo) -> io::Result<Loaded> {
    load_from(source, info, SHIPPED, default_path(info))
}

fn load_from(
    source: &Source,
    info: &DeviceInfo,
    shipped: &[(&str, &str)],
    local: Option<PathBuf>,
) -> io::Result<Loaded> {
    let mut loaded = Loaded::default();
    let path = match source {
        Source::Off => return Ok(loaded),
        Source::Automatic => local.filter(|path| path.exists()),
        Source::File(path) => {
            fs::metadata(path)?;
            Some(path.clone())
        }
    };
    let note = |path: &Path, why: Ignored| format!("{} ignored: {why}", path.display());
    for (name, text) in shipped {
        match TuningFile::parse(text, info) {
            Ok(file) => {
                file.add_to(&mut loaded.tuned);
                loaded.used = Some(name.into());
            }
            Err(Ignored::Foreign { .. }) => {}
            // No note for another device's stale file.
            Err(Ignored::Stale { .. }) if !text.contains(&format!("{:?}", info.name)) => {}
            Err(why) => loaded.notes.push(note(Path::new(name), why)),
        }
    }
    if let Some(path) = path {
        match TuningFile::read(&path, info) {
            Ok(file) => {
                file.add_to(&mut loaded.tuned);
                loaded.used = Some(path);
            }
            Err(why) => loaded.notes.push(note(&path, why)),
        }
    }
    Ok(loaded)
}

/// The path of a device's file: in `vgg-wgpu/tuning` in the user's cache folder (`XDG_CACHE_HOME` first). `None` if the
/// system has no cache folder.
pub fn default_path(info: &DeviceInfo) -> Option<PathBuf> {
    let text = format!("{} {} {}", info.name, info.backend, info.driver).to_lowercase();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let name = words.collect::<Vec<_>>().join("-") + ".toml";
    Some(cache::folder()?.join("tuning").join(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        gpu::{AdapterFeatures, AdapterLimits, Backend, DeviceKind},
        kernels::{Caps, TABLE},
        ops::{Activate, Op},
        tune::Choice,
    };

    fn info() -> DeviceInfo {
        let limits = AdapterLimits {
            buffer_bytes: 1 << 28,
            binding_bytes: 1 << 27,
            offset_alignment: 256,
            storage_buffers: 8,
            workgroup_bytes: 16_384,
            workgroup_invocations: 256,
            workgroup_size: [256, 256, 64],
            workgroups: 65_535,
        };
        let features = AdapterFeatures {
            f16: false,
            subgroup_sizes: None,
            timestamps: false,
            robust_buffers: false,
            matrix_side: None,
        };
        DeviceInfo {
            index: 0,
            name: "Card 1000".into(),
            backend: Backend::Vulkan,
            kind: DeviceKind::Discrete,
            vendor_id: 0x10de,
            device_id: 7,
            driver: "driver".into(),
            driver_info: "1.2.3".into(),
            limits,
            features,
            memory_bytes: None,
        }
    }

    fn relu(len: usize) -> Op {
        Activate::relu(len).into()
    }

    /// A file that says `scalar` for some lengths, where the built-in choice is `vec4`.
    fn file(folder: &Path, name: &str, lengths: &[usize]) -> PathBuf {
        let mut file = TuningFile::new(&info());
        for &len in lengths {
            let microseconds = [("scalar".into(), 1.0), ("vec4".into(), 2.5)].into();
            let (op, variant) = ("activation.forward".into(), "scalar".into());
            file.set(Choice { op, shape: Tuned::shape(&relu(len)), variant, microseconds });
        }
        let path = folder.join(name);
        file.write(&path).unwrap();
        path
    }

    fn chosen(loaded: &Loaded, len: usize) -> Option<&'static str> {
        loaded.tuned.row(&relu(len), &Caps::WEBGPU).map(|row| row.name)
    }

    #[test]
    fn a_file_goes_before_the_shipped_one_and_off_ignores_both() {
        let folder = tempfile::tempdir().unwrap();
        let local = file(folder.path(), "deeper/local.toml", &[8, 12]);
        let text = fs::read_to_string(file(folder.path(), "shipped.toml", &[8, 16])).unwrap();
        let other = text.replace("\"scalar\"", "\"vec4\"");
        let shipped: &[(&str, &str)] = &[("shipped", &other)];
        let load = |source: &Source| load_from(source, &info(), shipped, Some(local.clone())).unwrap();
        for source in [Source::Automatic, Source::File(local.clone())] {
            let loaded = load(&source);
            assert_eq!(
                [8, 12, 16, 20].map(|len| chosen(&loaded, len)),
                [Some("scalar"), Some("scalar"), Some("vec4"), None]
            );
            assert_eq!((loaded.used.as_deref(), loaded.notes.len()), (Some(local.as_path()), 0));
        }
        assert_eq!(load(&Source::Off), Loaded::default());
        let missing = folder.path().join("missing.toml");
        let loaded = load_from(&Source::Automatic, &info(), shipped, Some(missing.clone())).unwrap();
        assert_eq!((chosen(&loaded, 8), chosen(&loaded, 12)), (Some("vec4"), None));
        assert!(load_from(&Source::File(missing), &info(), shipped, None).is_err());
    }

    #[test]
    fn stale_foreign_and_malformed_files_are_left_out_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), "local.toml", &[8]);
        let text = fs::read_to_string(&path).unwrap();
        for (from, to, says) in [
            (TABLE, "0123456789abcdef", "other kernels (table 0123456789abcdef, here"),
            ("1.2.3", "1.2.4", "another device or driver (driver_info \"1.2.4\", here \"1.2.3\")"),
            ("Card 1000", "Card 2000", "another device or driver (name \"Card 2000\""),
            ("device_id = 7", "device_id = 8", "device_id \"0x0008\", here \"0x0007\""),
            ("format = 1", "format = 2", "not a tuning file: format 2"),
            ("format = 1", "", "not a tuning file: `format` is missing or not a number"),
            ("variant = \"scalar\"", "variant = \"magic\"", "no variant activation.forward=magic"),
            ("variant = ", "variety = ", "unknown field `variety`"),
            ("[[choice]]", "[[choice", "not a tuning file"),
        ] {
            assert!(text.contains(from), "{from} in {text}");
            fs::write(&path, text.replace(from, to)).unwrap();
            let loaded = load_from(&Source::Automatic, &info(), &[], Some(path.clone())).unwrap();
            assert!(loaded.tuned.is_empty() && loaded.used.is_none(), "{to}");
            let [note] = loaded.notes.as_slice() else { panic!("{to}: {:?}", loaded.notes) };
            assert!(note.contains("local.toml ignored: ") && note.contains(says), "{says}: {note}");
            assert_eq!(note.lines().count(), 1, "{note}");
        }
        fs::write(&path, [0xff, 0xfe, 0]).unwrap();
        let loaded = load_from(&Source::Automatic, &info(), &[], Some(path)).unwrap();
        assert!(loaded.notes[0].contains("cannot be read"), "{:?}", loaded.notes);
    }

    #[test]
    fn of_shipped_files_only_a_stale_one_of_this_device_is_worth_a_note() {
        let folder = tempfile::tempdir().unwrap();
        let text = fs::read_to_string(file(folder.path(), "shipped.toml", &[8])).unwrap();
        let stale = text.replace(TABLE, "0123456789abcdef");
        let foreign = stale.replace("Card 1000", "Card 2000");
        let newer = text.replace("1.2.3", "1.2.4");
        let notes =
            |text: &str| load_from(&Source::Automatic, &info(), &[("a", text)], None).unwrap().notes.len();
        assert_eq!([&text, &stale, &foreign, &newer].map(|text| notes(text)), [0, 1, 0, 0]);
    }

    #[test]
    fn every_shipped_file_is_read_by_this_program() {
        for (name, text) in SHIPPED {
            let why = TuningFile::parse(text, &info()).unwrap_err();
            assert!(matches!(why, Ignored::Foreign { .. } | Ignored::Stale { .. }), "{name}: {why}");
        }
    }

    #[test]
    fn a_measurement_takes_the_place_of_an_earlier_one() {
        let mut file = TuningFile::new(&info());
        let choice = |len, variant: &str| Choice {
            op: "activation.forward".into(),
            shape: Tuned::shape(&relu(len)),
            variant: variant.into(),
            microseconds: Default::default(),
        };
        for (len, variant) in [(8, "scalar"), (4, "vec4"), (8, "vec4")] {
            file.set(choice(len, variant));
        }
        let mut tuned = Tuned::default();
        file.add_to(&mut tuned);
        assert_eq!((file.len(), tuned.row(&relu(8), &Caps::WEBGPU).unwrap().name), (2, "vec4"));
    }
}
