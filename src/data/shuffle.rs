//! The order in which an epoch draws its samples.

use crate::rng::{key, philox4x32, stream};

/// The order of `len` samples in one epoch: each of `0..len` once.
///
/// # Numerics
/// Fisher-Yates from the last place down. Each draw multiplies a 32-bit word by the number of choices and keeps
/// the upper half (Lemire: "Fast Random Integer Generation in an Interval", 2019); words that would favour some
/// choices are skipped, so every order is equally likely. Word `i` of the epoch is word `i % 4` of the Philox
/// block with counter `[i / 4, epoch, 0, SHUFFLE]`.
pub fn permutation(len: u32, seed: u64, epoch: u32) -> Vec<u32> {
    let block = |index| philox4x32([index, epoch, 0, stream::SHUFFLE], key(seed));
    let mut words = (0..=u32::MAX).flat_map(block);
    let mut below = |bound: u32| {
        let unfair = bound.wrapping_neg() % bound;
        let mut products = words.by_ref().map(|word| u64::from(word) * u64::from(bound));
        // The words do not run out: that would take more skipped words than draws.
        products.find(|&product| product as u32 >= unfair).map_or(0, |product| product >> 32)
    };
    let mut order: Vec<u32> = (0..len).collect();
    for last in (1..len).rev() {
        order.swap(last as usize, below(last + 1) as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Pinned, and computed by a separate program: another order would silently change every seeded run.
    #[test]
    fn the_order_never_changes() {
        assert_eq!(permutation(60_000, 0, 0)[..8], [39168, 19369, 59786, 49656, 12143, 50859, 17757, 1184]);
        assert_eq!(permutation(60_000, 0, 1)[..4], [14353, 54654, 24067, 3482]);
        assert_eq!(permutation(10, 0, 0), [1, 4, 5, 8, 2, 0, 6, 9, 3, 7]);
    }

    /// The definition written out: one word per place from the last down, in block order.
    #[test]
    fn the_order_is_fisher_yates_over_the_documented_words() {
        let (len, seed, epoch) = (1000u32, 0x0123_4567_89ab_cdef, 3);
        let mut expected: Vec<u32> = (0..len).collect();
        for (i, last) in (1..len).rev().enumerate() {
            let counter = [i as u32 / 4, epoch, 0, 0x5348_5546];
            let word = philox4x32(counter, [0x89ab_cdef, 0x0123_4567])[i % 4];
            let product = u64::from(word) * u64::from(last + 1);
            assert!(product as u32 > last, "no word is skipped with this seed");
            expected.swap(last as usize, (product >> 32) as usize);
        }
        assert_eq!(permutation(len, seed, epoch), expected);
    }

    #[test]
    fn sets_of_none_and_one_have_one_order() {
        assert!(permutation(0, 1, 2).is_empty());
        assert_eq!(permutation(1, 1, 2), [0]);
    }

    /// Each of the six orders of three samples is about equally frequent.
    #[test]
    fn orders_are_equally_likely() {
        let mut seen = std::collections::BTreeMap::new();
        for epoch in 0..6000 {
            *seen.entry(permutation(3, 5, epoch)).or_insert(0) += 1;
        }
        assert_eq!(seen.len(), 6);
        // Four standard deviations of a count of 6000 draws with probability 1/6.
        assert!(seen.values().all(|&count| (1000i32 - count).abs() <= 116), "{seen:?}");
    }

    proptest! {
        #[test]
        fn an_order_is_a_permutation_of_its_own(len in 50u32..5000, seed: u64, epoch: u32) {
            let order = permutation(len, seed, epoch);
            prop_assert_eq!(&order, &permutation(len, seed, epoch));
            prop_assert_ne!(&order, &permutation(len, seed, epoch.wrapping_add(1)));
            prop_assert_ne!(&order, &permutation(len, seed.wrapping_add(1 << 32), epoch));
            let mut sorted = order;
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..len).collect::<Vec<_>>());
        }
    }
}
