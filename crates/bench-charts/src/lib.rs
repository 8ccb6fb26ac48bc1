#![doc = include_str!("../README.md")]

mod bins;
mod caption;
mod figure;
pub mod figures;
pub mod html;
mod no_chart;
mod paint;
mod palette;

pub use caption::Caption;
pub use figure::{
    Axis, Bar, Datum, ErrorBar, Figure, Heat, Layer, Marks, Panel, Point, Scale, Span,
};
pub use no_chart::NoChart;
pub use paint::{ChartError, Size};
pub use palette::{Ink, Rgb, Theme};
