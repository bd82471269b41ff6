//! The look of all charts: colours, fonts, axes, texts, curves.

use plotters::{
    chart::MeshStyle,
    coord::{
        Shift,
        ranged1d::{AsRangedCoord, Ranged, ValueFormatter},
    },
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

// Colours that the colour-blind can tell apart, on white as on dark paper (after Okabe and Ito).
pub(super) const BLUE: RGBColor = RGBColor(0x1a, 0x7f, 0xc4);
pub(super) const ORANGE: RGBColor = RGBColor(0xd9, 0x5f, 0x02);
pub(super) const GREEN: RGBColor = RGBColor(0x00, 0x95, 0x6e);
pub(super) const PALE_BLUE: RGBColor = RGBColor(0x9e, 0xc9, 0xe9);
pub(super) const PALE_ORANGE: RGBColor = RGBColor(0xf6, 0xb8, 0x8b);
/// Of axes and their labels.
pub(super) const GREY: RGBColor = RGBColor(0x55, 0x55, 0x55);

/// The sizes of texts.
pub(super) const TITLE: i32 = 20;
pub(super) const CAPTION: i32 = 17;
pub(super) const LEGEND: i32 = 15;
pub(super) const LABEL: i32 = 14;

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Chart<'a, X, Y> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>;
type Outcome<T> = Result<T, DrawingAreaErrorKind<std::io::Error>>;
pub(super) type Drawn = Outcome<()>;

/// Where readers ask for dark colours, the colours of [`picture`] that are black, grey or white turn round: those of texts, lines and
/// the paper; but white text stands on colour.
const DARK: &str = "<style>@media (prefers-color-scheme: dark) {\
rect[fill=\"#FFFFFF\"] { fill: #14161a } text[fill=\"#000000\"] { fill: #e8eaed } text[fill=\"#555555\"] { fill: #a9b0ba } \
[stroke=\"#000000\"] { stroke: #ffffff } [stroke=\"#555555\"] { stroke: #a9b0ba } }</style>\n";

/// A picture in memory, which cannot fail: on white, or on dark paper.
pub(super) fn picture(size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Drawn) -> String {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        let drawn = area.fill(&WHITE).and_then(|()| draw(&area)).and_then(|()| area.present());
        drawn.expect("drawing into memory cannot fail");
    }
    // After the first line, which is the opening tag.
    text.replacen('\n', &format!("\n{DARK}"), 1)
}

fn font(size: i32) -> FontDesc<'static> {
    ("sans-serif", size).into_font()
}

pub(super) fn style(size: i32, color: &RGBColor) -> TextStyle<'static> {
    font(size).color(color)
}

/// A text, vertically centred at a point: to its right, to its left, or centred on it.
pub(super) fn text(area: &Area<'_>, text: &str, at: (i32, i32), side: HPos, style: TextStyle<'_>) -> Drawn {
    area.draw(&Text::new(text.to_owned(), at, style.pos(Pos::new(side, VPos::Center))))
}

/// A coordinate system in an area, with room for a caption above, for labels of this many pixels at the left, and below.
pub(super) fn chart<'a, X: AsRangedCoord, Y: AsRangedCoord>(
    area: &Area<'a>,
    caption: &str,
    left: u32,
    x: X,
    y: Y,
) -> Outcome<Chart<'a, X::CoordDescType, Y::CoordDescType>> {
    ChartBuilder::on(area)
        .caption(caption, style(CAPTION, &BLACK))
        .margin(12)
        .margin_right(20)
        .x_label_area_size(46)
        .y_label_area_size(left)
        .build_cartesian_2d(x, y)
}

/// The axes and the grid of a chart, to be labelled and drawn.
pub(super) fn mesh<'a, 'b, X, Y>(chart: &'b mut Chart<'a, X, Y>) -> MeshStyle<'a, 'b, X, Y, SVGBackend<'a>>
where
    X: Ranged + ValueFormatter<X::ValueType>,
    Y: Ranged + ValueFormatter<Y::ValueType>,
{
    let mut mesh = chart.configure_mesh();
    mesh.label_style(style(LABEL, &GREY))
        .axis_desc_style(style(LABEL, &GREY))
        .axis_style(GREY)
        .bold_line_style(grid())
        .light_line_style(TRANSPARENT);
    mesh
}

/// The colour of the grid under the data.
pub(super) fn grid() -> RGBAColor {
    BLACK.mix(0.12)
}

/// The position of a chart's point in the chart's area.
pub(super) fn place<X: Ranged, Y: Ranged>(
    area: &Area<'_>,
    chart: &Chart<'_, X, Y>,
    point: (X::ValueType, Y::ValueType),
) -> (i32, i32) {
    let (at, origin) = (chart.backend_coord(&point), area.get_base_pixel());
    (at.0 - origin.0, at.1 - origin.1)
}
