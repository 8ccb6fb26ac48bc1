#![doc = include_str!("../README.md")]

mod figure;
pub mod figures;
mod palette;

pub use figure::{
    Axis, Bar, Datum, ErrorBar, Figure, Heat, Layer, Marks, Panel, Point, Scale, Span,
};
pub use palette::{Ink, Rgb, Theme};
