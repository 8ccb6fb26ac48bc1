//! What a figure is painted with: few operations, which every kind of picture offers.

use crate::Rgb;

use super::error::ChartError;
use super::font::Weight;
use super::geometry::{Area, Place};

/// A colour and how much of what lies below it covers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Paint {
    pub(super) color: Rgb,
    pub(super) opacity: f64,
}

impl Paint {
    pub(super) fn solid(color: Rgb) -> Paint {
        Paint {
            color,
            opacity: 1.0,
        }
    }
}

/// A line's look. Lines cover what is below: where their pieces meet, nothing may shine through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stroke {
    pub(super) color: Rgb,
    pub(super) width: f64,
}

/// Which end of a text stands at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// Which way a text runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    Across,
    Up,
}

/// A line of text; its place is on the base line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Text<'a> {
    pub(super) text: &'a str,
    pub(super) at: Place,
    pub(super) size: f64,
    pub(super) weight: Weight,
    pub(super) anchor: Anchor,
    pub(super) run: Run,
    pub(super) color: Rgb,
}

/// A kind of picture.
pub(super) trait Canvas {
    /// Fills a box.
    fn fill(&mut self, area: Area, paint: Paint) -> Result<(), ChartError>;

    /// Fills a shape without holes.
    fn polygon(&mut self, corners: &[Place], paint: Paint) -> Result<(), ChartError>;

    /// Fills a disc.
    fn disc(&mut self, center: Place, radius: f64, paint: Paint) -> Result<(), ChartError>;

    /// Joins places by straight lines.
    fn chain(&mut self, places: &[Place], stroke: Stroke) -> Result<(), ChartError>;

    /// Writes a line of text.
    fn text(&mut self, text: &Text<'_>) -> Result<(), ChartError>;

    /// Begins a part of the picture, which has a name if a reader gave it one.
    fn open(&mut self, kind: &str, name: Option<&str>);

    /// Ends the part.
    fn close(&mut self);
}
