use crate::Figure;

/// Height of each of several rows of panels, and of the words around them.
const ROW: u32 = 400;
const HEADING: u32 = 120;

/// How large a figure is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Width in units; a unit is a pixel of a picture without magnification.
    pub width: u32,
    /// Height in units.
    pub height: u32,
    /// Pixels of a PNG per unit: 2 for sharp displays and print. An SVG is sharp anyway.
    pub pixel_ratio: u32,
}

/// A wide picture with room for one chart.
impl Default for Size {
    fn default() -> Size {
        Size::new(1200, 700)
    }
}

impl Size {
    /// A picture with one pixel per unit.
    pub fn new(width: u32, height: u32) -> Size {
        Size {
            width,
            height,
            pixel_ratio: 1,
        }
    }

    /// The size at which a figure reads well: each further row of panels makes it taller.
    pub fn of(figure: &Figure) -> Size {
        let rows = figure.panels.len().div_ceil(figure.columns.max(1)).max(1);
        let one = Size::default();
        let height = match u32::try_from(rows).unwrap_or(u32::MAX) {
            1 => one.height,
            rows => rows.saturating_mul(ROW).saturating_add(HEADING),
        };
        Size { height, ..one }
    }

    /// The same size, with more pixels per unit.
    pub fn with_pixel_ratio(self, pixel_ratio: u32) -> Size {
        Size {
            pixel_ratio,
            ..self
        }
    }
}
