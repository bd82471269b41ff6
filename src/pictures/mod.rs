//! Every picture that the program draws, on one theme: SVG charts, and PNG pictures of pixels.

mod chart;
mod confusion;
mod curves;
mod files;
mod lettering;
mod pixels;
mod profile;
mod theme;

pub use chart::{Line, LineChart, LineStyle, Scale, escape, legend};
pub use confusion::{confusion_figure, confusion_pixels, confusion_svg};
pub use curves::{Curve, curves_svg};
pub use files::{FileBar, files_svg};
pub use pixels::{Captions, Pixels, explanation_png, filters};
pub use profile::{Pass, profile_svg};
