//! A panel: its axes, its grid, and the layers between them.

use super::canvas::{Anchor, Canvas, Paint, Run, Text};
use super::error::ChartError;
use super::font::{Fonts, Weight};
use super::geometry::{Area, place};
use super::label;
use super::legend::{Entry, Legend, entries};
use super::marks::Field;
use super::ruler::{Extent, Ruler, Tick};
use super::thing::{Tally, extents};
use crate::{Axis, Heat, Marks, Panel, Rgb, Theme};

const TITLE: f64 = 14.0;
const NAME: f64 = 12.5;
const TICK: f64 = 11.5;
/// Height of the names of ticks below the axis, and of the name of the axis.
const TICK_ROW: f64 = 20.0;
const NAME_ROW: f64 = 20.0;
/// Names of categories that stand upright are at most this long.
const UPRIGHT: f64 = 130.0;
/// Width of a colour bar with its numbers and its name.
const COLOR_BAR: f64 = 84.0;

/// A panel whose axes know their ends.
pub(super) struct Prepared<'a> {
    panel: &'a Panel,
    x: Ruler,
    y: Ruler,
    heat: Option<(&'a Heat, Ruler)>,
    pub(super) entries: Vec<Entry>,
}

/// What a panel has in common with those around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings {
    /// Whether its legend is its own.
    pub(super) own_legend: bool,
    /// Room left of the axes in its column, so that they stand below each other.
    pub(super) left: f64,
}

/// Where the parts of a panel stand.
struct Layout {
    area: Area,
    x_ticks: Vec<Tick>,
    y_ticks: Vec<Tick>,
    /// Whether the names below the axis stand upright.
    upright: bool,
}

impl<'a> Prepared<'a> {
    /// Finds the ends of the axes.
    pub(super) fn new(panel: &'a Panel) -> Prepared<'a> {
        let (across, up) = extents(panel);
        let heat = panel.layers.iter().find_map(|layer| match &layer.marks {
            Marks::Heat(heat) => Some((heat, shades(heat))),
            _ => None,
        });
        Prepared {
            panel,
            x: Ruler::new(&panel.x, across),
            y: Ruler::new(&panel.y, up),
            heat,
            entries: entries(panel),
        }
    }

    /// Counts what will not be shown.
    pub(super) fn count(&self, tally: &mut Tally) {
        tally.add(self.panel, &self.x, &self.y);
    }

    /// Draws the panel into a part of the picture; false if there is no room for it.
    pub(super) fn draw(
        &self,
        canvas: &mut dyn Canvas,
        theme: Theme,
        mut area: Area,
        around: Surroundings,
    ) -> Result<bool, ChartError> {
        let fonts = Fonts::get()?;
        canvas.open("panel", self.panel.title.as_deref());
        if let Some(title) = &self.panel.title {
            let title = fonts.shorten(title, TITLE, Weight::Strong, area.width());
            canvas.text(&Text {
                text: &title,
                at: place(area.left, area.top + TITLE),
                size: TITLE,
                weight: Weight::Strong,
                anchor: Anchor::Start,
                run: Run::Across,
                color: theme.text(),
            })?;
            area.top += TITLE * 1.8;
        }
        if around.own_legend {
            let legend = Legend::new(&self.entries, fonts, area.width());
            legend.draw(canvas, theme, (area.left, area.top))?;
            area.top += legend.height();
        }
        area.top += 6.0;
        let Some(layout) = self.layout(fonts, area, around.left) else {
            return Ok(false);
        };
        let frame = Frame {
            fonts,
            theme,
            layout: &layout,
        };
        frame.grid(canvas)?;
        let field = Field {
            area: layout.area,
            x: &self.x,
            y: &self.y,
            shades: self.heat.as_ref().map(|(_, shades)| shades),
            theme,
            bar_layers: self.count_bar_layers(),
        };
        for layer in &self.panel.layers {
            field.draw(canvas, layer)?;
        }
        frame.axes(canvas, &self.panel.x, &self.panel.y, area)?;
        if let Some((heat, shades)) = &self.heat {
            frame.color_bar(canvas, heat, shades)?;
        }
        if self.panel.layers.is_empty() {
            frame.empty(canvas)?;
        }
        label::draw(canvas, fonts, self.panel, &field)?;
        canvas.close();
        Ok(true)
    }

    fn count_bar_layers(&self) -> usize {
        let bars = |layer: &&crate::Layer| matches!(layer.marks, Marks::Bars(_));
        self.panel.layers.iter().filter(bars).count()
    }

    /// How much room the names left of the axis need in a part of the picture.
    pub(super) fn left(&self, fonts: &Fonts, area: Area) -> f64 {
        left_of_axis(fonts, &self.y_ticks(fonts, area, area.width()))
    }

    /// Gives the axes the room that their names need, and the data the rest.
    fn layout(&self, fonts: &Fonts, area: Area, left: f64) -> Option<Layout> {
        let mut inner = area;
        inner.bottom -= TICK_ROW + NAME_ROW;
        let y_ticks = self.y_ticks(fonts, inner, area.width());
        inner.left += left.max(left_of_axis(fonts, &y_ticks));
        inner.right -= match self.heat {
            Some(_) => COLOR_BAR,
            None => 14.0,
        };
        if inner.width() < 60.0 {
            return None;
        }
        let longest = UPRIGHT.min(area.height() * 0.35);
        let (x_ticks, upright) = self.x_ticks(fonts, inner.width(), longest);
        if upright {
            let longest = x_ticks
                .iter()
                .map(|tick| fonts.width(&tick.label, TICK, Weight::Regular))
                .fold(0.0, f64::max);
            inner.bottom -= longest + 8.0 - TICK_ROW;
        }
        // Whole units: thin lines stay sharp.
        inner.left = inner.left.round();
        inner.right = inner.right.round();
        inner.top = inner.top.round();
        inner.bottom = inner.bottom.round();
        (inner.height() >= 40.0).then_some(Layout {
            area: inner,
            x_ticks,
            y_ticks,
            upright,
        })
    }

    fn y_ticks(&self, fonts: &Fonts, inner: Area, width: f64) -> Vec<Tick> {
        let room = match self.y.names() {
            Some(_) => inner.height() / 16.0,
            None => inner.height() / 44.0,
        };
        let mut ticks = self.y.ticks((room as usize).clamp(2, 40));
        for tick in &mut ticks {
            tick.label = fonts.shorten(&tick.label, TICK, Weight::Regular, width * 0.3);
        }
        ticks
    }

    /// Marks below the axis, and whether their names, then no longer than `longest`, must stand
    /// upright.
    fn x_ticks(&self, fonts: &Fonts, width: f64, longest: f64) -> (Vec<Tick>, bool) {
        if self.x.names().is_some() {
            let mut ticks = self.x.ticks(((width / 16.0) as usize).max(2));
            if fits(fonts, &ticks, width) {
                return (ticks, false);
            }
            for tick in &mut ticks {
                tick.label = fonts.shorten(&tick.label, TICK, Weight::Regular, longest);
            }
            return (ticks, true);
        }
        let most = ((width / 70.0) as usize).clamp(2, 14);
        let ticks = (2..=most)
            .rev()
            .map(|wanted| self.x.ticks(wanted))
            .find(|ticks| fits(fonts, ticks, width))
            .unwrap_or_else(|| self.x.ticks(2));
        (ticks, false)
    }
}

/// The scale of a heat map's shades.
fn shades(heat: &Heat) -> Ruler {
    let mut extent = Extent::empty();
    for value in &heat.values {
        extent.add(*value, &heat.scale);
    }
    let axis = Axis {
        name: heat.value_name.clone(),
        unit: None,
        scale: heat.scale.clone(),
        range: None,
    };
    Ruler::new(&axis, extent).of_any()
}

/// Width of the widest name beside an upright axis, with the name of the axis itself.
fn left_of_axis(fonts: &Fonts, ticks: &[Tick]) -> f64 {
    let widest = ticks
        .iter()
        .map(|tick| fonts.width(&tick.label, TICK, Weight::Regular))
        .fold(0.0, f64::max);
    NAME_ROW + widest + 8.0
}

/// Whether names stand side by side on an axis without touching.
fn fits(fonts: &Fonts, ticks: &[Tick], width: f64) -> bool {
    let mut named: Vec<(f64, f64)> = ticks
        .iter()
        .filter(|tick| !tick.label.is_empty())
        .map(|tick| {
            let half = fonts.width(&tick.label, TICK, Weight::Regular) / 2.0;
            (tick.share * width - half, tick.share * width + half)
        })
        .collect();
    named.sort_by(|a, b| a.0.total_cmp(&b.0));
    named.windows(2).all(|pair| pair[0].1 + 12.0 <= pair[1].0)
}

/// Draws what surrounds the data.
struct Frame<'a> {
    fonts: &'static Fonts,
    theme: Theme,
    layout: &'a Layout,
}

impl Frame<'_> {
    fn across(&self, share: f64) -> f64 {
        self.layout.area.left + share * self.layout.area.width()
    }

    fn up(&self, share: f64) -> f64 {
        self.layout.area.bottom - share * self.layout.area.height()
    }

    fn grid(&self, canvas: &mut dyn Canvas) -> Result<(), ChartError> {
        let area = self.layout.area;
        canvas.open("grid", None);
        for tick in &self.layout.x_ticks {
            let x = self.across(tick.share);
            self.rule(canvas, (x, area.top), (x, area.bottom), self.line(tick))?;
        }
        for tick in &self.layout.y_ticks {
            let y = self.up(tick.share);
            self.rule(canvas, (area.left, y), (area.right, y), self.line(tick))?;
        }
        canvas.close();
        Ok(())
    }

    /// Lines without a name are fainter.
    fn line(&self, tick: &Tick) -> Rgb {
        match tick.label.as_str() {
            "" => self.theme.grid().mix(self.theme.ground(), 0.55),
            _ => self.theme.grid(),
        }
    }

    /// A hairline along an axis.
    fn rule(
        &self,
        canvas: &mut dyn Canvas,
        from: (f64, f64),
        to: (f64, f64),
        color: Rgb,
    ) -> Result<(), ChartError> {
        let (left, top) = (from.0.round(), from.1.round());
        let area = Area {
            left,
            top,
            right: to.0.round().max(left + 1.0),
            bottom: to.1.round().max(top + 1.0),
        };
        canvas.fill(area, Paint::solid(color))
    }

    fn axes(
        &self,
        canvas: &mut dyn Canvas,
        x: &Axis,
        y: &Axis,
        whole: Area,
    ) -> Result<(), ChartError> {
        let area = self.layout.area;
        let line = self.theme.faint_text();
        canvas.open("axes", None);
        self.rule(
            canvas,
            (area.left, area.bottom),
            (area.right, area.bottom),
            line,
        )?;
        self.rule(
            canvas,
            (area.left, area.top),
            (area.left, area.bottom),
            line,
        )?;
        for tick in self.named(&self.layout.x_ticks) {
            let x = self.across(tick.share);
            self.rule(canvas, (x, area.bottom), (x, area.bottom + 4.0), line)?;
            match self.layout.upright {
                true => {
                    let at = (x + TICK * 0.36, area.bottom + 8.0);
                    self.write(canvas, &tick.label, TICK, at, (Anchor::End, Run::Up))?;
                }
                false => {
                    let at = (x, area.bottom + 7.0 + TICK * 0.9);
                    self.write(canvas, &tick.label, TICK, at, (Anchor::Middle, Run::Across))?;
                }
            }
        }
        for tick in self.named(&self.layout.y_ticks) {
            let y = self.up(tick.share);
            self.rule(canvas, (area.left - 4.0, y), (area.left, y), line)?;
            let at = (area.left - 8.0, y + TICK * 0.36);
            self.write(canvas, &tick.label, TICK, at, (Anchor::End, Run::Across))?;
        }
        let middle = (area.left + area.right) / 2.0;
        let name = self
            .fonts
            .shorten(&x.label(), NAME, Weight::Regular, area.width());
        let at = (middle, whole.bottom - NAME * 0.4);
        self.write(canvas, &name, NAME, at, (Anchor::Middle, Run::Across))?;
        let middle = (area.top + area.bottom) / 2.0;
        let name = self
            .fonts
            .shorten(&y.label(), NAME, Weight::Regular, area.height());
        let at = (whole.left + NAME, middle);
        self.write(canvas, &name, NAME, at, (Anchor::Middle, Run::Up))?;
        canvas.close();
        Ok(())
    }

    fn named<'t>(&self, ticks: &'t [Tick]) -> impl Iterator<Item = &'t Tick> {
        ticks.iter().filter(|tick| !tick.label.is_empty())
    }

    fn write(
        &self,
        canvas: &mut dyn Canvas,
        text: &str,
        size: f64,
        (x, y): (f64, f64),
        (anchor, run): (Anchor, Run),
    ) -> Result<(), ChartError> {
        canvas.text(&Text {
            text,
            at: place(x, y),
            size,
            weight: Weight::Regular,
            anchor,
            run,
            color: match size == NAME {
                true => self.theme.text(),
                false => self.theme.faint_text(),
            },
        })
    }

    fn color_bar(
        &self,
        canvas: &mut dyn Canvas,
        heat: &Heat,
        shades: &Ruler,
    ) -> Result<(), ChartError> {
        const SLICES: usize = 64;
        let area = self.layout.area;
        let (left, right) = (area.right + 14.0, area.right + 28.0);
        canvas.open("color-bar", None);
        for slice in 0..SLICES {
            let (low, high) = (
                slice as f64 / SLICES as f64,
                (slice + 1) as f64 / SLICES as f64,
            );
            let color = self.theme.shade((low + high) / 2.0);
            let slice = Area {
                left,
                top: self.up(high),
                right,
                bottom: self.up(low),
            };
            canvas.fill(slice, Paint::solid(color))?;
        }
        let wanted = ((area.height() / 44.0) as usize).clamp(2, 10);
        for tick in self.named(&shades.ticks(wanted)) {
            let y = self.up(tick.share);
            self.rule(
                canvas,
                (right, y),
                (right + 3.0, y),
                self.theme.faint_text(),
            )?;
            let label = self.fonts.shorten(&tick.label, TICK, Weight::Regular, 36.0);
            let at = (right + 6.0, y + TICK * 0.36);
            self.write(canvas, &label, TICK, at, (Anchor::Start, Run::Across))?;
        }
        let name = self
            .fonts
            .shorten(&heat.value_name, NAME, Weight::Regular, area.height());
        let at = (area.right + COLOR_BAR - 4.0, (area.top + area.bottom) / 2.0);
        self.write(canvas, &name, NAME, at, (Anchor::Middle, Run::Up))?;
        canvas.close();
        Ok(())
    }

    fn empty(&self, canvas: &mut dyn Canvas) -> Result<(), ChartError> {
        let area = self.layout.area;
        let at = (
            (area.left + area.right) / 2.0,
            (area.top + area.bottom) / 2.0,
        );
        self.write(
            canvas,
            "nothing to show",
            NAME,
            at,
            (Anchor::Middle, Run::Across),
        )
    }
}
