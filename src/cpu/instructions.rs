//! The instruction set of the CPU executor.

use std::{env, sync::LazyLock};

use pulp::Arch;
use thiserror::Error;

/// The environment variable that overrides the instruction set.
const VARIABLE: &str = "VGG_SIMD";

/// `VGG_SIMD` does not name an instruction set of this machine.
#[derive(Clone, Debug, Error)]
#[error(
    "VGG_SIMD is {asked:?}, but this machine runs {machine}; set it to one of these, or unset it for the first"
)]
pub struct UnknownInstructionSet {
    asked: String,
    machine: String,
}

static CHOSEN: LazyLock<Result<(&'static str, Arch), UnknownInstructionSet>> = LazyLock::new(|| {
    let asked = env::var_os(VARIABLE).map(|value| value.to_string_lossy().into_owned());
    choose(asked.as_deref())
});

/// The name of the instruction set in use: the widest of this machine, or the one that the environment variable
/// `VGG_SIMD` names (`avx512`, `avx2`, `neon` or `scalar`).
///
/// Results differ in rounding between instruction sets. With the variable a machine computes like one with narrower
/// vectors, which the tests use. It is read once.
pub fn instruction_set() -> Result<&'static str, UnknownInstructionSet> {
    CHOSEN.as_ref().map(|&(name, _)| name).map_err(Clone::clone)
}

/// The names of this machine's instruction sets, the widest first: the values of `VGG_SIMD`.
pub fn instruction_sets() -> Vec<&'static str> {
    available().iter().map(|&(name, _)| name).collect()
}

/// The instruction set in use and its name.
///
/// # Panics
/// If [`instruction_set`] is an error.
#[inline]
fn chosen() -> (&'static str, Arch) {
    match &*CHOSEN {
        Ok(chosen) => *chosen,
        Err(error) => panic!("{error}"),
    }
}

/// The instruction set in use; panics as [`chosen`].
#[inline]
pub(super) fn arch() -> Arch {
    chosen().1
}

/// Its name; panics as [`chosen`].
pub(crate) fn name() -> &'static str {
    chosen().0
}

/// As [`instruction_sets`], each with its [`Arch`].
pub(super) fn available() -> Vec<(&'static str, Arch)> {
    let mut sets = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        sets.extend(pulp::x86::V4::try_new().map(|simd| ("avx512", Arch::V4(simd))));
        sets.extend(pulp::x86::V3::try_new().map(|simd| ("avx2", Arch::V3(simd))));
    }
    #[cfg(target_arch = "aarch64")]
    sets.extend(pulp::aarch64::Neon::try_new().map(|simd| ("neon", Arch::Neon(simd))));
    sets.push(("scalar", Arch::Scalar));
    sets
}

fn choose(asked: Option<&str>) -> Result<(&'static str, Arch), UnknownInstructionSet> {
    let sets = available();
    let asked = asked.unwrap_or(sets[0].0);
    sets.iter().find(|(name, _)| *name == asked).copied().ok_or_else(|| UnknownInstructionSet {
        asked: asked.to_owned(),
        machine: instruction_sets().join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_set_of_the_machine_can_be_chosen_and_no_other() {
        let sets = available();
        assert_eq!(choose(None).unwrap().0, sets[0].0);
        for (name, _) in &sets {
            assert_eq!(choose(Some(name)).unwrap().0, *name);
        }
        for other in ["", "sse", "AVX2"] {
            let error = choose(Some(other)).unwrap_err().to_string();
            assert!(error.starts_with(&format!("VGG_SIMD is {other:?}, but")), "{error}");
            assert!(sets.iter().all(|(name, _)| error.contains(name)), "{error}");
        }
    }
}
