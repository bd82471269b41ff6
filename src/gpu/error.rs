//! Why a program could not be opened on an adapter.

use thiserror::Error;

/// How many of the problems are listed.
const LISTED: usize = 3;

/// A program that cannot be opened on an adapter.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Something is larger than the adapter allows. Detected before any device exists.
    #[error("{}", fit_message(adapter, problems))]
    DoesNotFit {
        /// The adapter.
        adapter: String,
        /// What does not fit, each as one line with both sizes.
        problems: Vec<String>,
    },
    /// No kernel for a step.
    #[error("{step}: {message}")]
    Select {
        /// The step's label.
        step: String,
        /// Why.
        message: String,
    },
    /// A kernel violates the contract between shaders and host.
    #[error("kernel {kernel} of {step}: {message}")]
    Kernel {
        /// The kernel, as `conv.forward/lanes`.
        kernel: String,
        /// The first step that uses it.
        step: String,
        /// What is wrong.
        message: String,
    },
    /// The driver refused to open a device.
    #[error("{adapter} could not be opened: {message}. Try another --device; `vgg devices` lists them")]
    Device {
        /// The adapter.
        adapter: String,
        /// The driver's message.
        message: String,
    },
    /// The driver refused a buffer.
    #[error(
        "{adapter} could not allocate {what} ({bytes}): {message}. Try a smaller --batch-size or --device cpu",
        bytes = size(*bytes)
    )]
    Memory {
        /// The adapter.
        adapter: String,
        /// The buffer.
        what: String,
        /// Its size in bytes.
        bytes: u64,
        /// The driver's message.
        message: String,
    },
    /// [`Compilation::end`](super::Compilation::end) was called.
    #[error("interrupted while the driver compiled the kernels")]
    Interrupted,
    /// The driver refused a pipeline or a bind group.
    #[error("{adapter} rejected {what}: {message}")]
    Rejected {
        /// The adapter.
        adapter: String,
        /// The kernel or step.
        what: String,
        /// The driver's message.
        message: String,
    },
}

fn fit_message(adapter: &str, problems: &[String]) -> String {
    let mut text =
        format!("{adapter} cannot run this program: {}", problems[..LISTED.min(problems.len())].join("; "));
    if problems.len() > LISTED {
        text += &format!("; and {} more", problems.len() - LISTED);
    }
    text + ". Try a smaller --batch-size, --image-size or --width, or --device cpu"
}

/// Bytes with a unit: exact below 1 MiB, else rounded to a tenth.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 3] = ["MiB", "GiB", "TiB"];
    if bytes < 1 << 20 {
        return format!("{bytes} bytes");
    }
    let mut value = bytes as f64 / f64::from(1 << 20);
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let text = format!("{value:.1}");
    format!("{} {}", text.strip_suffix(".0").unwrap_or(&text), UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        let cases =
            [(12, "12 bytes"), (392 << 20, "392 MiB"), ((1 << 31) - 1, "2 GiB"), (3 << 29, "1.5 GiB")];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn a_long_list_is_cut() {
        let problems = (0..20).map(|i| format!("tensor {i}")).collect();
        let text = OpenError::DoesNotFit { adapter: "X".into(), problems }.to_string();
        assert!(text.contains("tensor 2; and 17 more") && !text.contains("tensor 3"), "{text}");
    }
}
