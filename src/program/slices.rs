//! Splits work whose tensors are larger than a device's bindings.

use std::ops::Range;

use super::LowerError;

/// The limits of a device that shape a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceLimits {
    /// The largest part of a buffer that can be bound, in bytes.
    pub binding_bytes: u64,
    /// Alignment in bytes of the offset of a binding.
    pub offset_alignment: u64,
    /// Whether tensors can be f16.
    pub f16: bool,
}

impl DeviceLimits {
    /// No limits: the CPU device.
    pub const NONE: Self = Self { binding_bytes: u64::MAX, offset_alignment: 4, f16: false };

    /// Splits `count` equal items into consecutive ranges, so that each range of each tensor fits one binding
    /// and begins where bindings may begin.
    ///
    /// `item_bytes` lists, for each tensor involved, the bytes of one item. `what` names the work in the error.
    ///
    /// # Errors
    /// [`LowerError::Binding`] when not even the smallest aligned range fits.
    pub fn split(
        &self,
        what: &str,
        count: usize,
        item_bytes: &[u64],
    ) -> Result<Vec<Range<usize>>, LowerError> {
        let largest = item_bytes.iter().copied().max().unwrap_or(1).max(1);
        let fits = usize::try_from(self.binding_bytes / largest).unwrap_or(usize::MAX);
        if fits >= count {
            return Ok(std::iter::once(0..count).collect());
        }
        let quantum = item_bytes
            .iter()
            .fold(1, |q, &bytes| lcm(q, self.offset_alignment / gcd(self.offset_alignment, bytes.max(1))))
            as usize;
        let size = fits / quantum * quantum;
        if size == 0 {
            return Err(LowerError::Binding {
                what: what.to_owned(),
                bytes: largest * quantum as u64,
                limit: self.binding_bytes,
            });
        }
        Ok((0..count).step_by(size).map(|start| start..(start + size).min(count)).collect())
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn lcm(a: u64, b: u64) -> u64 {
    a / gcd(a, b) * b
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const LIMITS: DeviceLimits = DeviceLimits { binding_bytes: 128 * MIB, offset_alignment: 256, f16: false };

    #[test]
    fn what_fits_stays_whole() {
        assert_eq!(LIMITS.split("x", 10, &[12 * MIB, 3]).unwrap(), vec![0..10]);
        assert_eq!(DeviceLimits::NONE.split("x", 10, &[u64::MAX / 16]).unwrap(), vec![0..10]);
    }

    #[test]
    fn slices_cover_everything_once_and_begin_aligned() {
        // FC1 at 224 px: 4096 rows of 25088 floats, and one float of bias for each.
        let items = [25_088 * 4, 4];
        let slices = LIMITS.split("fc1", 4096, &items).unwrap();
        assert!(slices.len() > 1);
        assert_eq!(slices[0].start, 0);
        assert_eq!(slices.last().unwrap().end, 4096);
        for pair in slices.windows(2) {
            assert_eq!(pair[0].end, pair[1].start);
        }
        for (slice, bytes) in slices.iter().flat_map(|s| items.map(|b| (s, b))) {
            assert_eq!(slice.start as u64 * bytes % 256, 0);
            assert!(slice.len() as u64 * bytes <= LIMITS.binding_bytes);
        }
    }

    #[test]
    fn an_item_beyond_the_limit_is_an_error() {
        let error = LIMITS.split("conv1_1.output", 2, &[129 * MIB]).unwrap_err().to_string();
        assert!(error.contains("conv1_1.output") && error.contains("128"), "{error}");
    }
}
