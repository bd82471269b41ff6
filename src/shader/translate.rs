//! Translation of shaders by naga's back ends.

use std::fmt;

use naga::{
    back::{hlsl, msl, spv},
    valid::{Capabilities, ValidationFlags, Validator},
};
use thiserror::Error;

/// A shading language of drivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Vulkan's: binary.
    Spirv,
    /// Metal's.
    Msl,
    /// Direct3D's.
    Hlsl,
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Spirv => "SPIR-V",
            Self::Msl => "MSL",
            Self::Hlsl => "HLSL",
        })
    }
}

/// A shader that cannot be translated.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("no translation to {language}: {message}")]
pub struct TranslateError {
    /// The language.
    language: Language,
    /// naga's message.
    message: String,
}

/// Translates WGSL: to SPIR-V without checks, as Vulkan drivers get it from release builds, except that wgpu numbers the bindings
/// anew; to the other languages with naga's default options, which wgpu's differ from in their checks too.
///
/// # Errors
/// [`TranslateError`] if the text is not valid, or the language lacks a feature that it uses.
pub fn translate(wgsl: &str, language: Language) -> Result<Vec<u8>, TranslateError> {
    let error = |message: String| TranslateError { language, message };
    let module = naga::front::wgsl::parse_str(wgsl).map_err(|failure| error(failure.emit_to_string(wgsl)))?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::all())
        .validate(&module)
        .map_err(|failure| error(failure.emit_to_string(wgsl)))?;
    match language {
        Language::Spirv => {
            let options = spv::Options {
                lang_version: (1, 6),
                zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
                force_loop_bounding: false,
                emit_int_div_checks: false,
                ..spv::Options::default()
            };
            let words = spv::write_vec(&module, &info, &options, None);
            let words = words.map_err(|failure| error(failure.to_string()))?;
            Ok(words.iter().flat_map(|word| word.to_le_bytes()).collect())
        }
        Language::Msl => {
            let options =
                msl::Options { lang_version: (2, 4), fake_missing_bindings: true, ..Default::default() };
            let written = msl::write_string(&module, &info, &options, &msl::PipelineOptions::default());
            Ok(written.map_err(|failure| error(failure.to_string()))?.0.into_bytes())
        }
        Language::Hlsl => {
            let options = hlsl::Options {
                shader_model: hlsl::ShaderModel::V6_2,
                fake_missing_bindings: true,
                ..hlsl::Options::default()
            };
            let (mut text, pipeline) = (String::new(), hlsl::PipelineOptions::default());
            let mut writer = hlsl::Writer::new(&mut text, &options, &pipeline);
            writer.write(&module, &info, None).map_err(|failure| error(failure.to_string()))?;
            Ok(text.into_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_language_has_the_entry_point() {
        let wgsl = "@group(0) @binding(0) var<storage, read_write> x: array<f32>;
            @compute @workgroup_size(8) fn main(@builtin(local_invocation_index) i: u32) { x[i] = 1.0; }";
        for language in [Language::Msl, Language::Hlsl] {
            let text = String::from_utf8(translate(wgsl, language).unwrap()).unwrap();
            assert!(text.contains("main"), "{language}: {text}");
        }
        // The magic number, lowest byte first.
        assert_eq!(translate(wgsl, Language::Spirv).unwrap()[..4], [3, 2, 0x23, 7]);
        // Nothing is added to a loop, a division or workgroup memory: one function (opcode 54) with one branch (250), and zeros (46) only
        // for the variable of the loop.
        let wgsl = "@group(0) @binding(0) var<storage, read_write> x: array<u32>;
            var<workgroup> sums: array<u32, 8>;
            @compute @workgroup_size(8) fn main(@builtin(local_invocation_index) i: u32) {
                for (var j = x[i]; j < x[8]; j++) { sums[i] += x[9] / j; }
                x[i] = sums[i];
            }";
        let words: Vec<u32> = translate(wgsl, Language::Spirv)
            .unwrap()
            .chunks_exact(4)
            .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
            .collect();
        let (mut counts, mut at) = (BTreeMap::new(), 5);
        while at < words.len() {
            *counts.entry(words[at] & 0xffff).or_insert(0) += 1;
            at += (words[at] >> 16) as usize;
        }
        assert_eq!([54, 250, 46].map(|opcode| counts.get(&opcode).copied().unwrap_or(0)), [1, 1, 1]);
        let error = translate("fn main() { missing(); }", Language::Hlsl).unwrap_err().to_string();
        assert!(error.contains("HLSL") && error.contains("missing"), "{error}");
    }
}
