//! The second set of photographs: another hand, other pages, other light. It was written before the preparation.

use super::{
    glyphs::Glyph,
    page::{Page, Place, Random},
};

pub const STYLES: [&str; 25] = [
    "shadow of a hand",
    "flash",
    "wooden table",
    "lined, turned, with a margin",
    "small squares",
    "stains and crumbs",
    "green board",
    "red marker on a whiteboard",
    "JPEG of a blurred picture",
    "sheared and turned",
    "blue ink on kraft paper",
    "white ink on blue paper",
    "yellow ink on transparency",
    "veiled transparency",
    "two shadows",
    "table on one side",
    "pencil and noise",
    "thin pen on lines",
    "marker on squares",
    "small in a corner, vignette",
    "long strip",
    "nearly dark",
    "folded paper",
    "screen with a bezel",
    "receipt",
];

/// A photograph of a style, as a file.
pub fn photograph(style: usize, glyph: &Glyph, random: &mut Random) -> Vec<u8> {
    let [width, height] = [random.between(300.0, 720.0) as usize, random.between(300.0, 640.0) as usize];
    let side = width.min(height) as f32;
    let place = Place {
        at: [random.between(0.42, 0.58), random.between(0.42, 0.58)],
        height: side * random.between(0.28, 0.55),
        angle: random.between(-5.0, 5.0),
        pen: random.between(0.07, 0.14),
        opacity: random.between(0.85, 1.0),
    };
    let ink = [
        random.between(10.0, 70.0) as u8,
        random.between(10.0, 60.0) as u8,
        random.between(20.0, 90.0) as u8,
    ];
    let mut page = Page::new(width, height, [225, 228, 222]);
    let wood =
        |x: f32, y: f32| [92.0, 62.0, 40.0].map(|v| v + 14.0 * (y * 0.11 + (x * 0.02).sin() * 2.0).sin());
    let [shift_x, shift_y] = [random.between(-0.2, 0.2), random.between(-0.2, 0.2)];
    let quality = random.between(60.0, 95.0) as u8;
    match STYLES[style] {
        "shadow of a hand" => {
            page.draw(glyph, place, ink);
            page.light(|x, y| {
                let r = ((x - 0.5 - shift_x) / 0.35).hypot((y - 0.6 - shift_y) / 0.45);
                0.5 + 0.5 * ((r - 0.8) * 2.5).clamp(0.0, 1.0)
            });
        }
        "flash" => {
            page.draw(glyph, place, ink);
            page.light(|x, y| {
                0.4 + 0.75 * (-((x - 0.4 - shift_x).powi(2) + (y - 0.4 - shift_y).powi(2)) * 5.0).exp()
            });
        }
        "wooden table" => {
            page.draw(glyph, Place { height: place.height * 0.75, ..place }, ink);
            page.table([0.72, 0.7], random.between(-12.0, 12.0), wood);
        }
        "lined, turned, with a margin" => {
            page.lines(side / 8.0, 2.5, 4.0, [110, 150, 210]);
            page.lines(width as f32 * 3.0, 3.0, 94.0, [220, 90, 90]);
            page.draw(glyph, place, ink);
        }
        "small squares" => {
            page.lines(side / 20.0, 1.5, 1.5, [150, 150, 150]);
            page.lines(side / 20.0, 1.5, 91.5, [150, 150, 150]);
            page.draw(glyph, place, ink);
        }
        "stains and crumbs" => {
            page.specks(random, 3, side / 7.0, [200, 185, 150]);
            page.draw(glyph, place, ink);
            page.specks(random, 25, side / 75.0, [120, 80, 40]);
        }
        "green board" => {
            page = Page::new(width, height, [38, 82, 62]);
            page.specks(random, 4, side / 6.0, [58, 100, 82]);
            page.draw(glyph, Place { opacity: 0.8, ..place }, [235, 235, 200]);
            page.blur(1);
            page.noise(random, 10.0);
        }
        "red marker on a whiteboard" => {
            page = Page::new(width, height, [205, 210, 212]);
            page.draw(glyph, place, [200, 30, 45]);
            page.light(|x, y| 1.0 + 0.35 * (-((x - 0.8).powi(2) + (y - 0.2).powi(2)) * 30.0).exp());
        }
        "JPEG of a blurred picture" => {
            page.draw(glyph, place, ink);
            page.blur((side / 90.0) as usize);
            return page.jpeg(15);
        }
        "sheared and turned" => page.draw(glyph, Place { angle: random.between(-15.0, 15.0), ..place }, ink),
        "blue ink on kraft paper" => {
            page = Page::new(width, height, [176, 136, 92]);
            page.noise(random, 12.0);
            page.blur(1);
            page.draw(glyph, place, [30, 40, 120]);
        }
        "white ink on blue paper" => {
            page = Page::new(width, height, [60, 90, 150]);
            page.draw(glyph, place, [240, 240, 240]);
            page.light(|x, _| 1.0 - 0.4 * x);
        }
        "yellow ink on transparency" => {
            page = Page::new(width, height, [0; 3]);
            page.draw(glyph, place, [255; 3]);
            return page.transparent([250, 220, 60]);
        }
        "veiled transparency" => {
            page = Page::new(width, height, [30; 3]);
            page.draw(glyph, place, [255; 3]);
            return page.transparent([60, 60, 60]);
        }
        "two shadows" => {
            page.draw(glyph, place, ink);
            page.light(|x, y| {
                let first = ((x - 0.45 - shift_x) * 60.0).clamp(0.0, 1.0);
                let second = ((y - 0.55 - shift_y + 0.3 * x) * 40.0).clamp(0.0, 1.0);
                (1.0 - 0.45 * first) * (1.0 - 0.35 * second)
            });
        }
        "table on one side" => {
            page.draw(glyph, Place { at: [0.6, place.at[1]], ..place }, ink);
            page.each(|x, y, pixel| {
                if x < width as f32 * 0.2 + 0.1 * y {
                    *pixel = wood(x, y);
                }
            });
            page.light(|x, y| 1.0 - 0.3 * x - 0.2 * y);
        }
        "pencil and noise" => {
            page.draw(glyph, Place { pen: 0.05, ..place }, [140, 140, 142]);
            page.noise(random, 9.0);
        }
        "thin pen on lines" => {
            page.lines(side / 9.0, 1.5, -2.0, [150, 170, 215]);
            page.draw(glyph, Place { pen: 0.035, ..place }, [25, 30, 110]);
        }
        "marker on squares" => {
            page.lines(side / 14.0, 2.0, -3.0, [170, 190, 220]);
            page.lines(side / 14.0, 2.0, 87.0, [170, 190, 220]);
            page.draw(glyph, Place { pen: 0.17, ..place }, [180, 40, 120]);
        }
        "small in a corner, vignette" => {
            page = Page::new(900, 700, [225, 228, 222]);
            page.draw(glyph, Place { at: [0.78, 0.75], height: 64.0, ..place }, ink);
            page.light(|x, y| 1.0 - 1.1 * ((x - 0.5).powi(2) + (y - 0.5).powi(2)));
        }
        "long strip" => {
            page = Page::new(900, 180, [235, 235, 240]);
            page.draw(glyph, Place { at: [0.25 + shift_x, 0.5], height: 110.0, ..place }, ink);
            page.light(|x, _| 1.0 - 0.4 * x);
        }
        "nearly dark" => {
            page.draw(glyph, place, ink);
            page.light(|x, y| 0.5 - 0.38 * (0.6 * x + 0.4 * y));
            page.noise(random, 3.0);
        }
        "folded paper" => {
            page.draw(glyph, place, ink);
            let fold = |x: f32, at: f32| if x < at { 0.75 + 0.25 * x / at } else { 1.0 - 0.4 * (x - at) };
            page.light(|x, y| fold(x, 0.4 + shift_x) * fold(y, 0.6 + shift_y));
        }
        "screen with a bezel" => {
            page = Page::new(width, height, [45, 48, 55]);
            page.draw(glyph, Place { height: place.height * 0.8, ..place }, [190, 200, 205]);
            page.table([0.82, 0.8], 2.0, |_, _| [170.0, 170.0, 175.0]);
            page.noise(random, 4.0);
        }
        "receipt" => {
            page.draw(glyph, Place { at: [0.5, 0.5], height: width as f32 * 0.3, ..place }, [90, 90, 100]);
            page.table([0.42, 1.1], 3.0, |x, y| {
                [30.0 + 8.0 * (x * 0.05).sin() * (y * 0.07).cos(), 34.0, 44.0]
            });
            page.light(|x, y| 0.85 - 0.3 * (y - x));
        }
        other => unreachable!("{other}"),
    }
    page.jpeg(quality)
}
