//! The marks of a layer inside the axes.

use super::canvas::{Canvas, Paint};
use super::error::ChartError;
use super::geometry::{Area, Dash, Place, place};
use super::look::{Look, dashed};
use super::ruler::Ruler;
use crate::{Bar, ErrorBar, Heat, Layer, Marks, Point, Span, Theme};

/// Width of lines.
pub(super) const LINE: f64 = 2.0;

/// Points of a line are marked up to this many: they were measured, the line between them was not.
const MARKED_POINTS: usize = 24;

/// The inside of the axes.
pub(super) struct Field<'a> {
    pub(super) area: Area,
    pub(super) x: &'a Ruler,
    pub(super) y: &'a Ruler,
    /// Shades of a heat map.
    pub(super) shades: Option<&'a Ruler>,
    pub(super) theme: Theme,
    /// Layers of bars in this panel: several let each other shine through.
    pub(super) bar_layers: usize,
}

impl Field<'_> {
    /// Where a value stands, if it has a place; it may be outside.
    pub(super) fn across(&self, x: f64) -> Option<f64> {
        Some(self.area.left + self.x.share(x)? * self.area.width())
    }

    /// Where a value stands, if it has a place; it may be outside.
    pub(super) fn up(&self, y: f64) -> Option<f64> {
        Some(self.area.bottom - self.y.share(y)? * self.area.height())
    }

    /// Where a point stands, if it has a place; it may be outside.
    pub(super) fn place(&self, x: f64, y: f64) -> Option<Place> {
        Some(place(self.across(x)?, self.up(y)?))
    }

    /// The part of a box that is inside.
    fn inside(&self, from: (f64, f64), to: (f64, f64)) -> Option<Area> {
        let a = self.place(from.0, from.1)?;
        let b = self.place(to.0, to.1)?;
        Area::between(a, b).cut(&self.area)
    }

    /// Draws a layer.
    pub(super) fn draw(&self, canvas: &mut dyn Canvas, layer: &Layer) -> Result<(), ChartError> {
        let look = Look::of(layer.ink, self.theme);
        canvas.open(kind(&layer.marks), layer.name.as_deref());
        match &layer.marks {
            Marks::Line(points) => self.line(canvas, points, look),
            Marks::Steps(points) => self.stroke(canvas, &self.stairs(points), look),
            Marks::Points(points) => self.points(canvas, points, look),
            // Words are set last, where nothing covers them.
            Marks::Words(_) => Ok(()),
            Marks::Bars(bars) => self.bars(canvas, bars, look),
            Marks::ErrorBars(bars) => self.error_bars(canvas, bars, look),
            Marks::Spans(spans) => self.spans(canvas, spans, look),
            Marks::Heat(heat) => self.heat(canvas, heat),
            Marks::Vertical(datum) => self.vertical(canvas, datum.at, look),
            Marks::Horizontal(datum) => self.horizontal(canvas, datum.at, look),
        }?;
        canvas.close();
        Ok(())
    }

    /// Chains of points; one that has no place interrupts the line.
    fn chains(&self, points: &[Point]) -> Vec<Vec<Place>> {
        let places: Vec<Option<Place>> = points.iter().map(|p| self.place(p.x, p.y)).collect();
        places
            .split(Option::is_none)
            .map(|chain| chain.iter().copied().flatten().collect::<Vec<Place>>())
            .filter(|chain| !chain.is_empty())
            .collect()
    }

    fn line(
        &self,
        canvas: &mut dyn Canvas,
        points: &[Point],
        look: Look,
    ) -> Result<(), ChartError> {
        let chains = self.chains(points);
        self.stroke(canvas, &chains, look)?;
        let marked = points.len() <= MARKED_POINTS;
        for chain in chains.iter().filter(|chain| marked || chain.len() == 1) {
            for at in chain.iter().filter(|at| self.area.contains(**at)) {
                look.mark(canvas, *at, LINE * 1.6, 1.0)?;
            }
        }
        Ok(())
    }

    fn stroke(
        &self,
        canvas: &mut dyn Canvas,
        chains: &[Vec<Place>],
        look: Look,
    ) -> Result<(), ChartError> {
        // Where a line turns at each pixel, a thinner one shows more of it.
        let turns: usize = chains.iter().map(Vec::len).sum();
        let width = match turns as f64 > self.area.width() {
            true => LINE * 0.6,
            false => LINE,
        };
        for part in chains.iter().flat_map(|chain| self.area.clip_chain(chain)) {
            look.line(canvas, &part, width)?;
        }
        Ok(())
    }

    /// Chains of points, each of which holds until the next.
    fn stairs(&self, points: &[Point]) -> Vec<Vec<Place>> {
        self.chains(points)
            .iter()
            .map(|chain| {
                let mut steps = vec![chain[0]];
                for pair in chain.windows(2) {
                    steps.push(place(pair[1].x, pair[0].y));
                    steps.push(pair[1]);
                }
                steps
            })
            .collect()
    }

    /// What of the data labels shall not cover.
    pub(super) fn obstacles(&self, layer: &Layer) -> Vec<Area> {
        let chains = match &layer.marks {
            Marks::Line(points) => self.chains(points),
            Marks::Steps(points) => self.stairs(points),
            Marks::Points(points) => {
                let places = points.iter().filter_map(|p| self.place(p.x, p.y));
                return places.map(|at| around(at, 4.0)).collect();
            }
            Marks::Bars(bars) => {
                let foot = self.y.foot();
                let bars = bars.iter();
                return bars
                    .filter_map(|bar| self.inside((bar.left, foot), (bar.right, bar.height)))
                    .collect();
            }
            Marks::Vertical(datum) => self.across(datum.at).map_or_else(Vec::new, |x| {
                vec![vec![place(x, self.area.top), place(x, self.area.bottom)]]
            }),
            Marks::Horizontal(datum) => self.up(datum.at).map_or_else(Vec::new, |y| {
                vec![vec![place(self.area.left, y), place(self.area.right, y)]]
            }),
            _ => return Vec::new(),
        };
        let parts = chains.iter().flat_map(|chain| self.area.clip_chain(chain));
        // A box for each few units of the way.
        parts
            .flat_map(|part| Dash::Dotted.strokes(&part))
            .filter_map(|stroke| Some(around(*stroke.first()?, 2.5)))
            .collect()
    }

    fn points(
        &self,
        canvas: &mut dyn Canvas,
        points: &[Point],
        look: Look,
    ) -> Result<(), ChartError> {
        // Many points are small and let each other shine through, so that their density shows.
        let (radius, opacity) = match points.len() {
            0..=100 => (4.0, 0.9),
            101..=1_000 => (2.75, 0.6),
            _ => (2.0, 0.4),
        };
        for at in points.iter().filter_map(|p| self.place(p.x, p.y)) {
            if self.area.contains(at) {
                look.mark(canvas, at, radius, opacity)?;
            }
        }
        Ok(())
    }

    fn bars(&self, canvas: &mut dyn Canvas, bars: &[Bar], look: Look) -> Result<(), ChartError> {
        let paint = Paint {
            color: look.color,
            opacity: if self.bar_layers > 1 { 0.6 } else { 0.85 },
        };
        let foot = self.y.foot();
        for bar in bars {
            let Some(mut area) = self.inside((bar.left, foot), (bar.right, bar.height)) else {
                continue;
            };
            if area.height() <= 0.0 {
                continue;
            }
            // A hair of ground between neighbours, where there is room for it.
            if area.width() > 4.0 {
                area.left += 0.5;
                area.right -= 0.5;
            }
            canvas.fill(area, paint)?;
        }
        Ok(())
    }

    fn error_bars(
        &self,
        canvas: &mut dyn Canvas,
        bars: &[ErrorBar],
        look: Look,
    ) -> Result<(), ChartError> {
        const CAP: f64 = 4.0;
        for bar in bars {
            // Without a lower end on the axis there is no lower cap.
            let open = bar.is_open(&self.y.scale);
            let low = if open { self.y.foot() } else { bar.low };
            let (Some(low), Some(high)) = (self.place(bar.x, low), self.place(bar.x, bar.high))
            else {
                continue;
            };
            let cap = |at: Place| vec![place(at.x - CAP, at.y), place(at.x + CAP, at.y)];
            let mut lines = vec![vec![low, high], cap(high)];
            if !open {
                lines.push(cap(low));
            }
            for part in lines.iter().flat_map(|line| self.area.clip_chain(line)) {
                dashed(canvas, &part, Dash::Solid, look.color, 1.5)?;
            }
        }
        Ok(())
    }

    fn spans(&self, canvas: &mut dyn Canvas, spans: &[Span], look: Look) -> Result<(), ChartError> {
        let paint = Paint::solid(look.color);
        for span in spans {
            let Some(area) = self.inside((span.left, span.bottom), (span.right, span.top)) else {
                continue;
            };
            canvas.fill(area, paint)?;
        }
        Ok(())
    }

    fn heat(&self, canvas: &mut dyn Canvas, heat: &Heat) -> Result<(), ChartError> {
        let columns = heat.x_edges.len().saturating_sub(1).max(1);
        for (row, values) in heat.values.chunks(columns).enumerate() {
            let Some([bottom, top]) = heat.y_edges.get(row..row + 2).and_then(pair) else {
                continue;
            };
            for (edges, value) in heat.x_edges.windows(2).zip(values) {
                let (Some(share), Some([left, right])) =
                    (self.shades.and_then(|s| s.share(*value)), pair(edges))
                else {
                    continue;
                };
                let color = self.theme.shade(share);
                if let Some(area) = self.inside((left, bottom), (right, top)) {
                    canvas.fill(area, Paint::solid(color))?;
                }
            }
        }
        Ok(())
    }

    fn vertical(&self, canvas: &mut dyn Canvas, at: f64, look: Look) -> Result<(), ChartError> {
        let Some(x) = self.across(at) else {
            return Ok(());
        };
        let line = [place(x, self.area.bottom), place(x, self.area.top)];
        for part in self.area.clip_chain(&line) {
            dashed(canvas, &part, Dash::Dashed, look.color, 1.5)?;
        }
        Ok(())
    }

    fn horizontal(&self, canvas: &mut dyn Canvas, at: f64, look: Look) -> Result<(), ChartError> {
        let Some(y) = self.up(at) else {
            return Ok(());
        };
        let line = [place(self.area.left, y), place(self.area.right, y)];
        for part in self.area.clip_chain(&line) {
            dashed(canvas, &part, Dash::Dashed, look.color, 1.5)?;
        }
        Ok(())
    }
}

/// A square box around a place.
fn around(at: Place, reach: f64) -> Area {
    Area {
        left: at.x - reach,
        top: at.y - reach,
        right: at.x + reach,
        bottom: at.y + reach,
    }
}

/// Two neighbouring edges.
fn pair(edges: &[f64]) -> Option<[f64; 2]> {
    edges.try_into().ok()
}

/// The name of a kind of marks, for those who style an SVG.
fn kind(marks: &Marks) -> &'static str {
    match marks {
        Marks::Line(_) => "layer line",
        Marks::Steps(_) => "layer steps",
        Marks::Points(_) => "layer points",
        Marks::Words(_) => "layer words",
        Marks::Bars(_) => "layer bars",
        Marks::ErrorBars(_) => "layer error-bars",
        Marks::Spans(_) => "layer spans",
        Marks::Heat(_) => "layer heat",
        Marks::Vertical(_) => "layer vertical",
        Marks::Horizontal(_) => "layer horizontal",
    }
}
