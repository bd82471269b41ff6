//! The first set of photographs: 25 styles. The preparation was adjusted on these.

use super::{
    glyphs::Glyph,
    page::{Page, Place, Random, USUAL},
};

const BLACK: [u8; 3] = [25, 25, 30];
const PAPER: [u8; 3] = [238, 236, 230];

pub const STYLES: [&str; 25] = [
    "plain",
    "light gradient",
    "strong shadow",
    "dark frame",
    "lined",
    "squared",
    "dust",
    "noise",
    "blur and JPEG",
    "turned",
    "yellow paper, blue ink",
    "red ink",
    "blackboard",
    "white on transparency",
    "black on transparency",
    "vignette",
    "low contrast",
    "thin pen",
    "thick pen",
    "off centre",
    "small in a large page",
    "lined, gradient",
    "squared, shadow, noise",
    "frame, gradient, dust",
    "tight",
];

/// A photograph of a style, as a file.
pub fn photograph(style: usize, glyph: &Glyph, random: &mut Random) -> Vec<u8> {
    let [width, height] = [random.between(320.0, 620.0) as usize, random.between(320.0, 560.0) as usize];
    let side = width.min(height) as f32;
    let place = Place { height: side * random.between(0.35, 0.6), pen: random.between(0.09, 0.13), ..USUAL };
    let mut page = Page::new(width, height, PAPER);
    let angle = random.between(0.0, std::f32::consts::TAU);
    let (sin, cos) = angle.sin_cos();
    let gradient = |x: f32, y: f32| 0.65 + 0.7 * ((x - 0.5) * cos + (y - 0.5) * sin);
    let shadow = |x: f32, y: f32| 1.0 - 0.55 * (((x - 0.5) * cos + (y - 0.5) * sin) * 80.0).clamp(0.0, 1.0);
    match STYLES[style] {
        "light gradient" => {
            page.draw(glyph, place, BLACK);
            page.light(gradient);
        }
        "strong shadow" => {
            page.draw(glyph, place, BLACK);
            page.light(shadow);
        }
        "dark frame" => {
            page.draw(glyph, Place { height: place.height * 0.8, ..place }, BLACK);
            page.table([0.78, 0.76], 0.0, |_, _| [40.0, 32.0, 28.0]);
        }
        "lined" => {
            page.lines(side / 9.0, 2.0, 0.0, [120, 140, 200]);
            page.draw(glyph, place, BLACK);
        }
        "squared" => {
            page.lines(side / 12.0, 1.5, 0.0, [130, 150, 190]);
            page.lines(side / 12.0, 1.5, 90.0, [130, 150, 190]);
            page.draw(glyph, place, BLACK);
        }
        "dust" => {
            page.draw(glyph, place, BLACK);
            page.specks(random, 60, side / 120.0, [40, 40, 40]);
        }
        "noise" => {
            page.draw(glyph, place, BLACK);
            page.noise(random, 18.0);
        }
        "blur and JPEG" => {
            page.draw(glyph, place, BLACK);
            page.blur(3);
            return page.jpeg(30);
        }
        "turned" => page.draw(glyph, Place { angle: random.between(-12.0, 12.0), ..place }, BLACK),
        "yellow paper, blue ink" => {
            page = Page::new(width, height, [240, 220, 120]);
            page.draw(glyph, place, [40, 60, 170]);
        }
        "red ink" => page.draw(glyph, place, [220, 50, 50]),
        "blackboard" => {
            page = Page::new(width, height, [50, 58, 55]);
            page.draw(glyph, place, [230, 230, 225]);
            page.light(|x, y| gradient(x, y) + 0.2);
        }
        "white on transparency" | "black on transparency" => {
            page = Page::new(width, height, [0; 3]);
            page.draw(glyph, place, [255; 3]);
            return page.transparent([if STYLES[style].starts_with("white") { 255 } else { 0 }; 3]);
        }
        "vignette" => {
            page.draw(glyph, place, BLACK);
            page.light(|x, y| 1.0 - 1.3 * ((x - 0.5).powi(2) + (y - 0.5).powi(2)));
        }
        "low contrast" => page.draw(glyph, place, [185, 183, 180]),
        "thin pen" => page.draw(glyph, Place { pen: random.between(0.015, 0.03), ..place }, BLACK),
        "thick pen" => page.draw(glyph, Place { pen: random.between(0.15, 0.18), ..place }, BLACK),
        "off centre" => {
            let at = [random.between(0.25, 0.75), random.between(0.25, 0.75)];
            page.draw(glyph, Place { at, height: side * 0.3, ..place }, BLACK);
        }
        "small in a large page" => {
            page = Page::new(880, 760, PAPER);
            let at = [random.between(0.2, 0.8), random.between(0.2, 0.8)];
            page.draw(glyph, Place { at, height: 48.0, ..place }, BLACK);
        }
        "lined, gradient" => {
            page.lines(side / 10.0, 2.0, 0.0, [120, 130, 160]);
            page.draw(glyph, place, BLACK);
            page.light(gradient);
        }
        "squared, shadow, noise" => {
            page.lines(side / 12.0, 1.5, 0.0, [130, 150, 190]);
            page.lines(side / 12.0, 1.5, 90.0, [130, 150, 190]);
            page.draw(glyph, place, BLACK);
            page.light(shadow);
            page.noise(random, 8.0);
        }
        "frame, gradient, dust" => {
            page.draw(glyph, Place { height: place.height * 0.8, ..place }, BLACK);
            page.specks(random, 40, side / 140.0, [60, 50, 40]);
            page.table([0.8, 0.78], random.between(-4.0, 4.0), |_, _| [60.0, 45.0, 35.0]);
            page.light(gradient);
        }
        "tight" => {
            page = Page::new(side as usize * 4 / 5, side as usize, PAPER);
            page.draw(glyph, Place { height: side * 0.86, ..place }, BLACK);
        }
        _ => page.draw(glyph, place, BLACK),
    }
    page.png()
}
