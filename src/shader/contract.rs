//! Whether the fragments of a kernel fit together: every name that one needs is defined once.

use std::{borrow::Cow, collections::HashMap};

use thiserror::Error;

use super::fragment::{Fragment, header, name};

/// Fragments that do not fit together.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ContractError {
    /// A fragment needs a name that neither the prelude nor another fragment defines.
    #[error(
        "{fragment} needs `{name}`, which no part of this kernel defines: add it to the constants, or the fragment that defines it"
    )]
    Missing {
        /// The fragment, as `shaders/activation/forward.wgsl`.
        fragment: String,
        /// The name.
        name: String,
    },
    /// Two parts define the same name.
    #[error("both {first} and {second} define `{name}`: leave one of them out, or rename it in one of them")]
    Twice {
        /// The first part.
        first: String,
        /// The second part.
        second: String,
        /// The name.
        name: String,
    },
}

/// Checks that every name that fragments need is defined exactly once, by the prelude or by a fragment. A text without a
/// header declares nothing, so a kernel with such a text is left to the WGSL compiler.
pub(super) fn check<'a>(
    prelude: impl Iterator<Item = &'a str>,
    fragments: &[Fragment],
) -> Result<(), ContractError> {
    let codes: Vec<Cow<'static, str>> = fragments.iter().map(Fragment::code).collect();
    let Some(needs) = codes.iter().map(|code| header(code, "needs")).collect::<Option<Vec<_>>>() else {
        return Ok(());
    };
    let mut definitions: HashMap<&str, String> = HashMap::new();
    let mut define = |name, second: String| match definitions.insert(name, second.clone()) {
        Some(first) => Err(ContractError::Twice { first, second, name: name.to_owned() }),
        None => Ok(()),
    };
    for name in prelude {
        define(name, "the generated constants".to_owned())?;
    }
    for (fragment, code) in fragments.iter().zip(&codes) {
        for item in header(code, "gives").unwrap_or_default() {
            define(name(item), fragment.name())?;
        }
    }
    for (fragment, needs) in fragments.iter().zip(needs) {
        if let Some(name) = needs.into_iter().find(|name| !definitions.contains_key(name)) {
            return Err(ContractError::Missing { fragment: fragment.name(), name: name.to_owned() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Fragment, ReflectError, Source};
    use super::*;

    const HALF: Fragment = Fragment::file(
        "shared/half.wgsl",
        "// The half of a value.\n//\n// needs: DIVISOR\n// needs: elem\n// gives: half(x: elem) -> elem\n
fn half(x: elem) -> elem { return x / DIVISOR; }\n",
    );
    const MAIN: Fragment = Fragment::file(
        "half/forward.wgsl",
        "// needs: half, elem\n
var<storage, read_write> output: array<elem>;
@compute @workgroup_size(1)
fn main() { output[0] = half(output[0]); }\n",
    );

    fn whole(fragments: &[Fragment]) -> Source {
        Source::new(fragments).float("DIVISOR", 2.0).alias("elem", "f32")
    }

    #[test]
    fn headers_are_read() {
        assert_eq!(header(HALF.text, "needs").unwrap(), ["DIVISOR", "elem"]);
        assert_eq!(header(HALF.text, "gives").unwrap(), ["half(x: elem) -> elem"]);
        assert_eq!(header("// Nothing but text.\n\n// needs: late\n", "needs"), None);
        assert_eq!(header("// needs: nothing\n", "needs").unwrap(), [""; 0]);
    }

    #[test]
    fn whole_kernels_pass() {
        whole(&[HALF, MAIN]).reflect().unwrap();
        // WGSL does not care about the order.
        whole(&[MAIN, HALF]).reflect().unwrap();
    }

    #[test]
    fn a_name_that_no_part_defines_is_an_error() {
        let error = whole(&[MAIN]).check().unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("shaders/half/forward.wgsl needs `half`, which no part of this kernel defines"),
            "{error}"
        );
        let error = Source::new([HALF, MAIN]).alias("elem", "f32").reflect().unwrap_err();
        let expected =
            ContractError::Missing { fragment: "shaders/shared/half.wgsl".into(), name: "DIVISOR".into() };
        assert_eq!(error, ReflectError::Contract(expected));
    }

    #[test]
    fn a_name_that_two_parts_define_is_an_error() {
        let other = Fragment::file("shared/other.wgsl", HALF.text);
        let error = whole(&[HALF, other, MAIN]).check().unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("both shaders/shared/half.wgsl and shaders/shared/other.wgsl define `half`"),
            "{error}"
        );
        let error = whole(&[HALF, MAIN]).constant("half", 1).check().unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("both the generated constants and shaders/shared/half.wgsl define `half`"),
            "{error}"
        );
        let error = whole(&[HALF, MAIN]).constant("DIVISOR", 1).check().unwrap_err();
        assert!(error.to_string().contains("define `DIVISOR`"), "{error}");
    }

    #[test]
    fn texts_without_a_header_are_left_to_the_compiler() {
        let inline = Fragment::inline("fn half(x: elem) -> elem { return x / DIVISOR; }\n");
        whole(&[inline, MAIN]).check().unwrap();
    }
}
