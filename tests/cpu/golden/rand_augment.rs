//! RandAugment's operations: torchvision's bytes and transforms.

use vgg_wgpu::data::{AugmentStep, RandAugment, Tone};

use crate::support::{Golden, Tolerance, compare};

#[test]
fn rand_augment() {
    let golden = Golden::load("rand_augment");
    let mut changed = [false; 14];
    let cases: Vec<String> = golden.cases().into_iter().filter(|case| case.contains('_')).collect();
    // Nine kinds with two signs, five with one, of three strengths, on two images.
    assert_eq!(cases.len(), (9 * 2 + 5) * 3 * 2);
    for case in cases {
        let [magnitude, kind, negative, height, width] =
            [0, 1, 2, 3, 4].map(|i| golden.get(&case, "attributes")[i] as usize);
        let of = RandAugment { operations: 1, magnitude: magnitude as u32 };
        let step = of.operation(kind as u64, negative == 1, [height, width]);
        match step {
            AugmentStep::Affine(found) => {
                let expected = golden.get(&case, "affine");
                // The strengths are f32, and torchvision's angles pass through degrees.
                compare(&case, &[6].into(), &found, expected, Tolerance::absolute(1e-5));
                changed[kind] = true;
            }
            AugmentStep::Tone(_) | AugmentStep::Identity => {
                let image = golden.get(&case[..1], "image");
                let mut pixels: Vec<u8> = image.iter().map(|&value| value as u8).collect();
                if let AugmentStep::Tone(tone) = step {
                    tone.apply(&mut pixels, [height, width]);
                }
                let found: Vec<f64> = pixels.iter().map(|&value| value.into()).collect();
                // torchvision sums the mean of a contrast in f32: a value next to a whole number may be truncated otherwise.
                let tolerance = f64::from(u8::from(matches!(step, AugmentStep::Tone(Tone::Contrast(_)))));
                compare(
                    &case,
                    &[found.len()].into(),
                    &found,
                    golden.get(&case, "output"),
                    Tolerance::absolute(tolerance),
                );
                changed[kind] |= found != image;
            }
        }
    }
    assert_eq!(
        changed.iter().filter(|&&changed| !changed).count(),
        1,
        "only the identity changes nothing: {changed:?}"
    );
}
