//! Figures as pictures: PNG and SVG, drawn by the same code on two kinds of canvas.

mod canvas;
mod error;
mod font;
mod geometry;
mod label;
mod legend;
mod look;
mod marks;
mod number;
mod panel;
mod raster;
mod ruler;
mod size;
mod svg;
mod thing;

pub use error::ChartError;
pub use size::Size;

use canvas::{Anchor, Canvas, Paint, Run, Text};
use font::{Fonts, Weight};
use geometry::{Area, place};
use legend::{Entry, Legend};
use panel::{Prepared, Surroundings};
use raster::RasterCanvas;
use svg::SvgCanvas;
use thing::Tally;

use crate::{Figure, Rgb, Theme};

const MARGIN: f64 = 24.0;
/// Gap between panels.
const GUTTER: f64 = 28.0;
const TITLE: f64 = 21.0;
const SUBTITLE: f64 = 13.0;
const FOOTER: f64 = 11.0;
/// Distance of base lines, in sizes of the text.
const LEADING: f64 = 1.4;

impl Figure {
    /// The figure as SVG, with the font inside.
    ///
    /// # Errors
    ///
    /// If the size leaves no room for the data.
    pub fn to_svg(&self, theme: Theme, size: Size) -> Result<String, ChartError> {
        let mut canvas = SvgCanvas::new(self, size)?;
        Picture::new(self, theme, size)?.draw(&mut canvas)?;
        Ok(canvas.finish())
    }

    /// The figure as PNG.
    ///
    /// # Errors
    ///
    /// If the size leaves no room for the data, or is too large.
    pub fn to_png(&self, theme: Theme, size: Size) -> Result<Vec<u8>, ChartError> {
        let mut canvas = RasterCanvas::new(self, size)?;
        Picture::new(self, theme, size)?.draw(&mut canvas)?;
        canvas.finish()
    }
}

/// A figure on its way to a canvas.
struct Picture<'a> {
    figure: &'a Figure,
    theme: Theme,
    size: Size,
    fonts: &'static Fonts,
}

impl<'a> Picture<'a> {
    fn new(figure: &'a Figure, theme: Theme, size: Size) -> Result<Picture<'a>, ChartError> {
        Ok(Picture {
            figure,
            theme,
            size,
            fonts: Fonts::get()?,
        })
    }

    fn draw(&self, canvas: &mut dyn Canvas) -> Result<(), ChartError> {
        let whole = Area {
            left: 0.0,
            top: 0.0,
            right: f64::from(self.size.width),
            bottom: f64::from(self.size.height),
        };
        canvas.fill(whole, Paint::solid(self.theme.ground()))?;
        let mut area = Area {
            left: MARGIN,
            top: MARGIN * 0.75,
            right: whole.right - MARGIN,
            bottom: whole.bottom - MARGIN * 0.75,
        };
        if area.width() < 100.0 {
            return Err(self.too_small());
        }
        let panels: Vec<Prepared<'_>> = self.figure.panels.iter().map(Prepared::new).collect();
        let mut tally = Tally::default();
        panels.iter().for_each(|panel| panel.count(&mut tally));

        area.top = self.heading(canvas, area)?;
        area.bottom = self.footer(canvas, area, &tally)?;
        let shared = shared_entries(&panels);
        let legend = Legend::new(shared.unwrap_or(&[]), self.fonts, area.width());
        legend.draw(canvas, self.theme, (area.left, area.top))?;
        area.top += legend.height();

        let cells = self.cells(area);
        let lefts = self.left_of_columns(&panels, &cells);
        for (i, (panel, cell)) in panels.iter().zip(&cells).enumerate() {
            let around = Surroundings {
                own_legend: shared.is_none(),
                left: lefts[i % lefts.len()],
            };
            if !panel.draw(canvas, self.theme, *cell, around)? {
                return Err(self.too_small());
            }
        }
        Ok(())
    }

    /// The room that the panels of each column need left of their axes.
    fn left_of_columns(&self, panels: &[Prepared<'_>], cells: &[Area]) -> Vec<f64> {
        let mut lefts = vec![0.0_f64; self.columns()];
        let columns = lefts.len();
        for (i, (panel, cell)) in panels.iter().zip(cells).enumerate() {
            let left = &mut lefts[i % columns];
            *left = left.max(panel.left(self.fonts, *cell));
        }
        lefts
    }

    fn columns(&self) -> usize {
        self.figure
            .columns
            .clamp(1, self.figure.panels.len().max(1))
    }

    fn too_small(&self) -> ChartError {
        ChartError::TooSmall {
            figure: self.figure.id.clone(),
            width: self.size.width,
            height: self.size.height,
        }
    }

    /// Writes title and subtitle; returns where they end.
    fn heading(&self, canvas: &mut dyn Canvas, area: Area) -> Result<f64, ChartError> {
        let mut top = area.top;
        let parts = [
            (&self.figure.title, TITLE, Weight::Strong, self.theme.text()),
            (
                &self.figure.subtitle,
                SUBTITLE,
                Weight::Regular,
                self.theme.faint_text(),
            ),
        ];
        for (text, size, weight, color) in parts {
            for line in self.fonts.wrap(text, size, weight, area.width()) {
                self.write(
                    canvas,
                    &line,
                    (area.left, top + size),
                    (size, weight),
                    color,
                )?;
                top += size * LEADING;
            }
        }
        Ok(top + 10.0)
    }

    /// Writes the footer with what is not shown; returns where it begins.
    fn footer(
        &self,
        canvas: &mut dyn Canvas,
        area: Area,
        tally: &Tally,
    ) -> Result<f64, ChartError> {
        let notes: Vec<String> = self
            .figure
            .footer
            .iter()
            .cloned()
            .chain(tally.notes())
            .collect();
        let lines = self.flow(&notes, area.width());
        if lines.is_empty() {
            return Ok(area.bottom);
        }
        let height = lines.len() as f64 * FOOTER * LEADING;
        let mut top = area.bottom - height;
        let color = self.theme.faint_text();
        for line in lines {
            let at = (area.left, top + FOOTER);
            self.write(canvas, &line, at, (FOOTER, Weight::Regular), color)?;
            top += FOOTER * LEADING;
        }
        Ok(area.bottom - height - 10.0)
    }

    /// Notes one after the other in lines that fit; a note begins a new line if it would break.
    fn flow(&self, notes: &[String], room: f64) -> Vec<String> {
        let fits = |line: &str| self.fonts.width(line, FOOTER, Weight::Regular) <= room;
        let mut lines: Vec<String> = Vec::new();
        for note in notes {
            if let Some(line) = lines.last_mut() {
                let longer = format!("{line}  ·  {note}");
                if fits(&longer) {
                    *line = longer;
                    continue;
                }
            }
            lines.extend(self.fonts.wrap(note, FOOTER, Weight::Regular, room));
        }
        lines
    }

    fn write(
        &self,
        canvas: &mut dyn Canvas,
        text: &str,
        (x, y): (f64, f64),
        (size, weight): (f64, Weight),
        color: Rgb,
    ) -> Result<(), ChartError> {
        canvas.text(&Text {
            text,
            at: place(x, y),
            size,
            weight,
            anchor: Anchor::Start,
            run: Run::Across,
            color,
        })
    }

    /// The places of the panels, row by row.
    fn cells(&self, area: Area) -> Vec<Area> {
        let count = self.figure.panels.len();
        let columns = self.columns();
        let rows = count.div_ceil(columns).max(1);
        let width = (area.width() - GUTTER * (columns - 1) as f64) / columns as f64;
        let height = (area.height() - GUTTER * (rows - 1) as f64) / rows as f64;
        (0..count)
            .map(|i| {
                let left = area.left + (i % columns) as f64 * (width + GUTTER);
                let top = area.top + (i / columns) as f64 * (height + GUTTER);
                Area {
                    left,
                    top,
                    right: left + width,
                    bottom: top + height,
                }
            })
            .collect()
    }
}

/// The legend of all panels, if several have the same.
fn shared_entries<'a>(panels: &'a [Prepared<'_>]) -> Option<&'a [Entry]> {
    let (first, rest) = panels.split_first()?;
    let same = !rest.is_empty() && rest.iter().all(|panel| panel.entries == first.entries);
    same.then_some(first.entries.as_slice())
}
