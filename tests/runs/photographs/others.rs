//! Pictures that are no digits: letters, scribbles, noise, textures and blank pages.

use super::{
    glyphs::Glyph,
    page::{Page, Place, Random, USUAL},
};

pub const KINDS: [&str; 5] = ["letters", "scribbles", "noise", "textures", "blank pages"];

/// Letters that are not written like digits, as the strokes of [`Glyph`].
const LETTERS: [&str; 13] = [
    "-30 46,-30 46,0 -46,0 -46,30 46/-18 14,18 14",
    "26 -46,26 -46,-22 -46,-22 -46,-22 46,-22 46,26 46/-22 0,16 0",
    "26 -46,26 -46,-22 -46,-22 -46,-22 46/-22 0,16 0",
    "-26 -46,-26 46/26 -46,26 46/-26 0,26 0",
    "-24 -46,-24 46/26 -46,-24 6/-10 -4,28 46",
    "-34 46,-34 46,-28 -46,-28 -46,0 20,0 20,28 -46,28 -46,34 46",
    "-26 46,-26 46,-26 -46,-26 -46,26 46,26 46,26 -46",
    "-24 46,-24 46,-24 -46,-24 -46,14 -42,22 -22,10 -4,-24 0/-4 0,28 46",
    "-34 -46,34 -46/0 -46,0 46",
    "-38 -46,-38 -46,-20 46,-20 46,0 -20,0 -20,20 46,20 46,38 -46",
    "-28 -46,28 46/28 -46,-28 46",
    "-28 -46,0 0/28 -46,0 0,0 46",
    "-22 -46,-22 46,-22 46,24 46",
];

/// A picture of a kind.
pub fn picture(kind: usize, random: &mut Random) -> Vec<u8> {
    let [width, height] = [random.between(320.0, 620.0) as usize, random.between(320.0, 560.0) as usize];
    let side = width.min(height) as f32;
    let mut page = Page::new(width, height, [238, 236, 230]);
    let ink = [random.between(10.0, 70.0) as u8; 3];
    let place = Place {
        height: side * random.between(0.35, 0.6),
        angle: random.between(-8.0, 8.0),
        pen: random.between(0.08, 0.13),
        ..USUAL
    };
    match KINDS[kind] {
        "letters" => {
            let letter = LETTERS[(random.unit() * LETTERS.len() as f32) as usize];
            page.draw(
                &Glyph::of_text(letter, || [random.between(-0.015, 0.015), random.between(-0.015, 0.015)]),
                place,
                ink,
            );
        }
        "scribbles" => {
            let points = random.between(6.0, 25.0) as usize;
            let point = |random: &mut Random| random.between(-45.0, 45.0) as i32;
            let line: Vec<String> =
                (0..points).map(|_| format!("{} {}", point(random), point(random))).collect();
            page.draw(
                &Glyph::of_text(&line.join(","), || [0.0; 2]),
                Place { pen: place.pen * 0.5, ..place },
                ink,
            );
        }
        "noise" => {
            let deviation = random.between(20.0, 110.0);
            page = Page::new(width, height, [128; 3]);
            page.noise(random, deviation);
            if random.unit() < 0.5 {
                page.blur(random.between(1.0, 8.0) as usize);
            }
        }
        "textures" => {
            let [across, along] = [random.between(0.02, 0.3), random.between(0.02, 0.3)];
            let strength = random.between(20.0, 90.0);
            page.each(|x, y, pixel| {
                let wave = (x * across + 2.0 * (y * along * 0.3).sin()).sin() * (y * along).cos();
                pixel.iter_mut().for_each(|value| *value -= strength * (1.0 + wave));
            });
        }
        "blank pages" => {
            let strength = random.between(0.0, 0.5);
            page.light(|x, y| 1.0 - strength * (0.6 * x + 0.4 * y));
            page.noise(random, 4.0);
        }
        other => unreachable!("{other}"),
    }
    page.png()
}
