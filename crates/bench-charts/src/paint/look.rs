//! How a layer looks: colour, and for the seventh series and on also line and marker.

use super::canvas::{Canvas, Paint, Stroke};
use super::error::ChartError;
use super::geometry::{Area, Dash, Place, place};
use crate::{Ink, Rgb, Theme};

/// Shape of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marker {
    Disc,
    Square,
    Diamond,
}

/// How a layer looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) color: Rgb,
    pub(super) dash: Dash,
    marker: Marker,
}

impl Look {
    /// The look of an ink. When the colours of series are used up they come again with another
    /// line and another marker.
    pub(super) fn of(ink: Ink, theme: Theme) -> Look {
        let round = match ink {
            Ink::Series(n) => n / Theme::SERIES,
            _ => 0,
        };
        let (dash, marker) = match round % 3 {
            0 => (Dash::Solid, Marker::Disc),
            1 => (Dash::Dashed, Marker::Square),
            _ => (Dash::Dotted, Marker::Diamond),
        };
        Look {
            color: theme.color(ink),
            dash,
            marker,
        }
    }

    /// A point.
    pub(super) fn mark(
        &self,
        canvas: &mut dyn Canvas,
        at: Place,
        radius: f64,
        opacity: f64,
    ) -> Result<(), ChartError> {
        let paint = Paint {
            color: self.color,
            opacity,
        };
        match self.marker {
            Marker::Disc => canvas.disc(at, radius, paint),
            Marker::Square => {
                let half = radius * 0.89;
                let corner = |sign: f64| place(at.x + sign * half, at.y + sign * half);
                canvas.fill(Area::between(corner(-1.0), corner(1.0)), paint)
            }
            Marker::Diamond => {
                let reach = radius * 1.25;
                let corners = [
                    place(at.x, at.y - reach),
                    place(at.x + reach, at.y),
                    place(at.x, at.y + reach),
                    place(at.x - reach, at.y),
                ];
                canvas.polygon(&corners, paint)
            }
        }
    }

    /// A chain of straight lines in the layer's dashes.
    pub(super) fn line(
        &self,
        canvas: &mut dyn Canvas,
        chain: &[Place],
        width: f64,
    ) -> Result<(), ChartError> {
        dashed(canvas, chain, self.dash, self.color, width)
    }
}

/// A chain of straight lines, interrupted.
pub(super) fn dashed(
    canvas: &mut dyn Canvas,
    chain: &[Place],
    dash: Dash,
    color: Rgb,
    width: f64,
) -> Result<(), ChartError> {
    for stroke in dash.strokes(chain) {
        canvas.chain(&stroke, Stroke { color, width })?;
    }
    Ok(())
}
