//! What the marks of a layer span on the axes, and which of them cannot be shown.

use super::ruler::{Extent, Ruler, has_place};
use crate::{Axis, Marks, Panel, Scale};

/// What one mark spans on each axis; nothing where it goes across the panel.
#[derive(Clone, Copy, Debug)]
struct Thing {
    x: Option<(f64, f64)>,
    y: Option<(f64, f64)>,
}

impl Thing {
    fn at(x: f64, y: f64) -> Thing {
        Thing {
            x: Some((x, x)),
            y: Some((y, y)),
        }
    }
}

/// Calls `each` with every mark; `y` is the scale of the upright axis.
fn visit(marks: &Marks, y: &Scale, each: &mut dyn FnMut(Thing)) {
    match marks {
        Marks::Line(points)
        | Marks::Steps(points)
        | Marks::Points(points)
        | Marks::Words(points) => {
            points.iter().for_each(|p| each(Thing::at(p.x, p.y)));
        }
        Marks::Bars(bars) => bars.iter().for_each(|bar| {
            each(Thing {
                x: Some((bar.left, bar.right)),
                y: Some((bar.height, bar.height)),
            });
        }),
        Marks::ErrorBars(bars) => bars.iter().for_each(|bar| {
            each(Thing {
                x: Some((bar.x, bar.x)),
                y: match bar.is_open(y) {
                    true => Some((bar.high, bar.high)),
                    false => Some((bar.low, bar.high)),
                },
            });
        }),
        Marks::Spans(spans) => spans.iter().for_each(|span| {
            each(Thing {
                x: Some((span.left, span.right)),
                y: Some((span.bottom, span.top)),
            });
        }),
        Marks::Heat(heat) => {
            let edges = |edges: &[f64]| Some((*edges.first()?, *edges.last()?));
            each(Thing {
                x: edges(&heat.x_edges),
                y: edges(&heat.y_edges),
            });
        }
        Marks::Vertical(line) => each(Thing {
            x: Some((line.at, line.at)),
            y: None,
        }),
        Marks::Horizontal(line) => each(Thing {
            x: None,
            y: Some((line.at, line.at)),
        }),
    }
}

/// What the layers of a panel span on its axes.
pub(super) fn extents(panel: &Panel) -> (Extent, Extent) {
    let (mut x, mut y) = (Extent::empty(), Extent::empty());
    for layer in &panel.layers {
        match layer.marks {
            Marks::Points(_) | Marks::Words(_) | Marks::ErrorBars(_) => {
                x.leave_room();
                y.leave_room();
            }
            Marks::Line(_) | Marks::Steps(_) => y.leave_room(),
            Marks::Bars(_) => {
                y.leave_room();
                y.grow_from_zero();
            }
            _ => {}
        }
        visit(&layer.marks, &panel.y.scale, &mut |thing| {
            // A mark that cannot be drawn shall not stretch the axes either.
            if missing(thing.x, &panel.x).is_none() && missing(thing.y, &panel.y).is_none() {
                for (span, extent, axis) in
                    [(thing.x, &mut x, &panel.x), (thing.y, &mut y, &panel.y)]
                {
                    if let Some((low, high)) = span {
                        extent.add(low, &axis.scale);
                        extent.add(high, &axis.scale);
                    }
                }
            }
        });
    }
    (x, y)
}

/// Why a mark has no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    NotFinite,
    NotPositive,
}

fn missing(span: Option<(f64, f64)>, axis: &Axis) -> Option<Missing> {
    let (low, high) = span?;
    if !(low.is_finite() && high.is_finite()) {
        return Some(Missing::NotFinite);
    }
    let shown = has_place(low, &axis.scale) && has_place(high, &axis.scale);
    (!shown).then_some(Missing::NotPositive)
}

/// How many marks are not shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    not_finite: usize,
    not_positive: usize,
    outside: usize,
}

impl Tally {
    /// Counts the marks of a panel that are not shown on its axes.
    pub(super) fn add(&mut self, panel: &Panel, x: &Ruler, y: &Ruler) {
        for layer in &panel.layers {
            visit(&layer.marks, &panel.y.scale, &mut |thing| {
                let why = missing(thing.x, &panel.x).or_else(|| missing(thing.y, &panel.y));
                match why {
                    Some(Missing::NotFinite) => self.not_finite += 1,
                    Some(Missing::NotPositive) => self.not_positive += 1,
                    None if beyond(thing.x, x) || beyond(thing.y, y) => self.outside += 1,
                    None => {}
                }
            });
            if let Marks::Heat(heat) = &layer.marks {
                // An empty cell is NaN on purpose.
                let broken = heat.values.iter().filter(|v| v.is_infinite());
                self.not_finite += broken.count();
                if heat.scale == Scale::Log {
                    let low = heat.values.iter().filter(|v| v.is_finite() && **v <= 0.0);
                    self.not_positive += low.count();
                }
            }
        }
    }

    /// What the reader is told.
    pub(super) fn notes(&self) -> Vec<String> {
        let marks = |count: usize| match count {
            1 => "1 mark".to_owned(),
            _ => format!("{count} marks"),
        };
        let mut notes = Vec::new();
        if self.not_finite > 0 {
            let count = marks(self.not_finite);
            notes.push(format!("{count} not drawn: not a finite number"));
        }
        if self.not_positive > 0 {
            let count = marks(self.not_positive);
            notes.push(format!(
                "{count} not drawn: not above 0, on a logarithmic axis"
            ));
        }
        if self.outside > 0 {
            let count = marks(self.outside);
            notes.push(format!("{count} outside the axes"));
        }
        notes
    }
}

/// Whether a span lies wholly beyond the ends of an axis.
fn beyond(span: Option<(f64, f64)>, ruler: &Ruler) -> bool {
    let Some((low, high)) = span else {
        return false;
    };
    let (Some(low), Some(high)) = (ruler.share(low), ruler.share(high)) else {
        return false;
    };
    low.max(high) < -1e-9 || low.min(high) > 1.0 + 1e-9
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ink, Layer, Point};

    #[test]
    fn what_is_not_shown_is_counted_by_reason() {
        let mut x = Axis::linear("time", Some("s"));
        x.range = Some((0.0, 10.0));
        let mut y = Axis::linear("TTFT", Some("ms"));
        y.scale = Scale::Log;
        let points = [
            (1.0, 5.0),
            (2.0, f64::NAN),
            (f64::INFINITY, 1.0),
            (3.0, 0.0),
            (4.0, -2.0),
            (11.0, 5.0),
            (-0.1, 5.0),
            (5.0, 7.0),
        ];
        let points = points.iter().map(|(x, y)| Point::at(*x, *y)).collect();
        let panel = Panel {
            title: None,
            x,
            y,
            layers: vec![Layer::new(None, Ink::Good, Marks::Points(points))],
        };
        let (across, up) = extents(&panel);
        let (across, up) = (Ruler::new(&panel.x, across), Ruler::new(&panel.y, up));
        let mut tally = Tally::default();
        tally.add(&panel, &across, &up);
        assert_eq!(
            tally,
            Tally {
                not_finite: 2,
                not_positive: 2,
                outside: 2
            }
        );
        assert_eq!(tally.notes().len(), 3);
        assert!(Tally::default().notes().is_empty());
    }
}
