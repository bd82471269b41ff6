//! Every picture that the program draws, on one theme: SVG charts, and PNG pictures of pixels.

mod confusion;
mod curves;
mod files;
mod pixels;
mod profile;
mod theme;

pub use confusion::confusion_svg;
pub use curves::{Curve, curves_svg, lines_svg};
pub use files::{FileBar, files_svg};
pub use pixels::{Pixels, explanation_png, filters};
pub use profile::{Pass, profile_svg};
