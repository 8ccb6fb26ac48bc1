//! A chart as a value: what stands where, in which unit. Nothing here knows how to draw.

use crate::Ink;

/// A chart, or several that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Short name in small letters and hyphens: the stem of file names, the id in a page.
    pub id: String,
    /// What the figure shows.
    pub title: String,
    /// Of what: model, load, date.
    pub subtitle: String,
    /// What the reader must know to trust it: simulated or real, partial or complete,
    /// client-limited or not, and how many points were binned.
    pub footer: Vec<String>,
    /// The charts, row by row.
    pub panels: Vec<Panel>,
    /// How many panels stand in a row; at least 1.
    pub columns: usize,
}

/// One chart with its axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// What it shows, if that is not the figure's title.
    pub title: Option<String>,
    /// To the right.
    pub x: Axis,
    /// Upwards.
    pub y: Axis,
    /// What is drawn, the first one at the bottom.
    pub layers: Vec<Layer>,
}

/// An axis. The unit is part of its label: `TTFT (ms)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What it measures.
    pub name: String,
    /// In what; `None` for counts and names.
    pub unit: Option<String>,
    /// How values become places.
    pub scale: Scale,
    /// The least and the greatest value shown; what the layers need if `None`.
    pub range: Option<(f64, f64)>,
}

/// How values become places on an axis.
#[derive(Clone, Debug, PartialEq)]
pub enum Scale {
    /// Evenly.
    Linear,
    /// By their logarithm; values that are not above 0 are not shown.
    Log,
    /// Value `i` stands for the i-th name.
    Category(Vec<String>),
}

/// Things of one kind in one colour, with one entry in the legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Its name in the legend; `None` for no entry.
    pub name: Option<String>,
    /// Its colour.
    pub ink: Ink,
    /// What readers can filter by, such as `("model", "Qwen2.5-7B")`.
    pub tags: Vec<(String, String)>,
    /// The things themselves.
    pub marks: Marks,
}

/// What a layer draws. All numbers are values on the axes of the panel.
#[derive(Clone, Debug, PartialEq)]
pub enum Marks {
    /// Points joined by straight lines.
    Line(Vec<Point>),
    /// Points joined by steps: each value holds until the next point.
    Steps(Vec<Point>),
    /// Points by themselves.
    Points(Vec<Point>),
    /// Words beside places: the labels of the points, and nothing else of them.
    Words(Vec<Point>),
    /// Upright bars from 0.
    Bars(Vec<Bar>),
    /// The uncertainty of points.
    ErrorBars(Vec<ErrorBar>),
    /// Filled boxes, such as the phases of requests.
    Spans(Vec<Span>),
    /// A field of cells, shaded by value.
    Heat(Heat),
    /// A line across the panel at this x.
    Vertical(Datum),
    /// A line across the panel at this y.
    Horizontal(Datum),
}

/// A place, and what is said of it when it is pointed at.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Value on the x axis.
    pub x: f64,
    /// Value on the y axis.
    pub y: f64,
    /// More about it, besides its two values. Only [`Marks::Words`] stand in pictures.
    pub label: Option<String>,
}

impl Point {
    /// A place of which its values say everything.
    pub fn at(x: f64, y: f64) -> Point {
        Point { x, y, label: None }
    }
}

/// A value on one axis, with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Datum {
    /// Where.
    pub at: f64,
    /// What stands beside the line.
    pub label: String,
}

/// A bar from `left` to `right`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// Left edge.
    pub left: f64,
    /// Right edge.
    pub right: f64,
    /// Height.
    pub height: f64,
}

/// From `low` to `high` at `x`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ErrorBar {
    /// Where.
    pub x: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl ErrorBar {
    /// Whether its lower end is below all that an axis of logarithms can show: the bar then
    /// begins at the foot of the axis.
    pub(crate) fn is_open(&self, scale: &Scale) -> bool {
        *scale == Scale::Log && self.low.is_finite() && self.low <= 0.0
    }
}

/// A box.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Left edge.
    pub left: f64,
    /// Right edge.
    pub right: f64,
    /// Lower edge.
    pub bottom: f64,
    /// Upper edge.
    pub top: f64,
}

/// Cells between edges on both axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Heat {
    /// Edges on the x axis, rising; one more than there are columns.
    pub x_edges: Vec<f64>,
    /// Edges on the y axis, rising; one more than there are rows.
    pub y_edges: Vec<f64>,
    /// Values row by row from the bottom; NaN for an empty cell.
    pub values: Vec<f64>,
    /// What the values measure, with the unit.
    pub value_name: String,
    /// How values become shades: evenly, or by their logarithm where a few cells have most.
    pub scale: Scale,
}

impl Axis {
    /// An even axis from what the layers need.
    pub fn linear(name: &str, unit: Option<&str>) -> Axis {
        Axis {
            name: name.to_owned(),
            unit: unit.map(str::to_owned),
            scale: Scale::Linear,
            range: None,
        }
    }

    /// Whether it counts things, of which there are no fractions.
    pub(crate) fn counts(&self) -> bool {
        matches!(self.unit.as_deref(), None | Some("requests" | "tokens"))
    }

    /// Its name with the unit, as it stands beside it.
    pub fn label(&self) -> String {
        match &self.unit {
            Some(unit) => format!("{} ({unit})", self.name),
            None => self.name.clone(),
        }
    }
}

impl Layer {
    /// Things that nobody filters by.
    pub fn new(name: impl Into<Option<String>>, ink: Ink, marks: Marks) -> Layer {
        Layer {
            name: name.into(),
            ink,
            tags: Vec::new(),
            marks,
        }
    }
}
