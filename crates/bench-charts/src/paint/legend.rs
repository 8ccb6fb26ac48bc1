//! Which colour is what: entries in rows, above the data and never in it.

use super::canvas::{Anchor, Canvas, Paint, Run, Text};
use super::error::ChartError;
use super::font::{Fonts, Weight};
use super::geometry::{Area, Dash, place};
use super::look::{Look, dashed};
use super::marks::LINE;
use crate::{Ink, Marks, Panel, Theme};

/// Size of the names.
const SIZE: f64 = 12.0;
/// Height of a row.
const ROW: f64 = 19.0;
/// Width of a sample, and the gap to its name.
const SAMPLE: f64 = 20.0;
const SAMPLE_GAP: f64 = 6.0;
/// Gap between entries.
const GAP: f64 = 20.0;
/// Names are at most this wide.
const NAME: f64 = 320.0;

/// How a layer is shown in the legend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sample {
    Line,
    Dashes,
    Point,
    Whisker,
    Box,
}

/// A name and the layers that bear it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    name: String,
    ink: Ink,
    samples: Vec<Sample>,
}

/// The entries of a panel: layers of one name and colour share one.
pub(super) fn entries(panel: &Panel) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for layer in &panel.layers {
        let Some(name) = &layer.name else { continue };
        let sample = match layer.marks {
            Marks::Line(_) | Marks::Steps(_) => Sample::Line,
            Marks::Points(_) => Sample::Point,
            Marks::ErrorBars(_) => Sample::Whisker,
            Marks::Bars(_) | Marks::Spans(_) => Sample::Box,
            Marks::Vertical(_) | Marks::Horizontal(_) => Sample::Dashes,
            // Words speak for themselves, and the colour bar tells its name.
            Marks::Words(_) | Marks::Heat(_) => continue,
        };
        let known = entries
            .iter_mut()
            .find(|entry| entry.name == *name && entry.ink == layer.ink);
        match known {
            Some(entry) if entry.samples.contains(&sample) => {}
            Some(entry) => entry.samples.push(sample),
            None => entries.push(Entry {
                name: name.clone(),
                ink: layer.ink,
                samples: vec![sample],
            }),
        }
    }
    entries
}

/// Entries in rows that fit.
pub(super) struct Legend {
    rows: Vec<Vec<(Entry, String, f64)>>,
}

impl Legend {
    /// Sets entries in rows no wider than `room`.
    pub(super) fn new(entries: &[Entry], fonts: &Fonts, room: f64) -> Legend {
        let mut rows: Vec<Vec<(Entry, String, f64)>> = Vec::new();
        let mut used = 0.0;
        let name_room = NAME.min(room - SAMPLE - SAMPLE_GAP).max(0.0);
        for entry in entries {
            let name = fonts.shorten(&entry.name, SIZE, Weight::Regular, name_room);
            let width = SAMPLE + SAMPLE_GAP + fonts.width(&name, SIZE, Weight::Regular);
            let item = (entry.clone(), name, width);
            match rows.last_mut() {
                Some(row) if used + GAP + width <= room => {
                    row.push(item);
                    used += GAP + width;
                }
                _ => {
                    rows.push(vec![item]);
                    used = width;
                }
            }
        }
        Legend { rows }
    }

    /// Its height with the gap below it; nothing without entries.
    pub(super) fn height(&self) -> f64 {
        match self.rows.len() {
            0 => 0.0,
            rows => rows as f64 * ROW + 4.0,
        }
    }

    /// Draws it from its upper left corner.
    pub(super) fn draw(
        &self,
        canvas: &mut dyn Canvas,
        theme: Theme,
        (left, top): (f64, f64),
    ) -> Result<(), ChartError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        canvas.open("legend", None);
        for (i, row) in self.rows.iter().enumerate() {
            let middle = top + (i as f64 + 0.5) * ROW;
            let mut x = left;
            for (entry, name, width) in row {
                let look = Look::of(entry.ink, theme);
                for sample in &entry.samples {
                    draw_sample(canvas, *sample, look, x, middle)?;
                }
                canvas.text(&Text {
                    text: name,
                    at: place(x + SAMPLE + SAMPLE_GAP, middle + SIZE * 0.36),
                    size: SIZE,
                    weight: Weight::Regular,
                    anchor: Anchor::Start,
                    run: Run::Across,
                    color: theme.text(),
                })?;
                x += width + GAP;
            }
        }
        canvas.close();
        Ok(())
    }
}

fn draw_sample(
    canvas: &mut dyn Canvas,
    sample: Sample,
    look: Look,
    x: f64,
    middle: f64,
) -> Result<(), ChartError> {
    let center = x + SAMPLE / 2.0;
    let across = [place(x, middle), place(x + SAMPLE, middle)];
    match sample {
        Sample::Line => look.line(canvas, &across, LINE),
        Sample::Dashes => dashed(canvas, &across, Dash::Dashed, look.color, 1.5),
        Sample::Point => look.mark(canvas, place(center, middle), 4.0, 1.0),
        Sample::Whisker => {
            let upright = [place(center, middle - 6.0), place(center, middle + 6.0)];
            dashed(canvas, &upright, Dash::Solid, look.color, 1.5)
        }
        Sample::Box => canvas.fill(
            Area {
                left: center - 6.0,
                top: middle - 6.0,
                right: center + 6.0,
                bottom: middle + 6.0,
            },
            Paint::solid(look.color),
        ),
    }
}
