//! Names beside lines and points inside the axes: none on top of another, none outside.

use super::canvas::{Anchor, Canvas, Paint, Run, Text};
use super::error::ChartError;
use super::font::{Fonts, Weight};
use super::geometry::{Area, Place, place};
use super::marks::Field;
use crate::{Ink, Layer, Marks, Panel, Point, Rgb};

const SIZE: f64 = 11.0;
const HEIGHT: f64 = 14.0;

/// Sets labels where nothing else was set.
struct Labels<'a> {
    fonts: &'static Fonts,
    field: &'a Field<'a>,
    /// Where labels stand.
    taken: Vec<Area>,
    /// Where data stand.
    data: Vec<Area>,
}

/// Writes the names of lines and the words beside places.
pub(super) fn draw(
    canvas: &mut dyn Canvas,
    fonts: &'static Fonts,
    panel: &Panel,
    field: &Field<'_>,
) -> Result<(), ChartError> {
    let mut labels = Labels {
        fonts,
        field,
        taken: Vec::new(),
        data: panel
            .layers
            .iter()
            .flat_map(|layer| field.obstacles(layer))
            .collect(),
    };
    canvas.open("labels", None);
    let mut upright: Vec<&Layer> = panel
        .layers
        .iter()
        .filter(|layer| matches!(layer.marks, Marks::Vertical(_)))
        .collect();
    upright.sort_by(|a, b| line_at(a).total_cmp(&line_at(b)));
    for layer in upright {
        labels.vertical(canvas, layer)?;
    }
    for layer in &panel.layers {
        labels.horizontal(canvas, layer)?;
    }
    labels.words(canvas, panel)?;
    canvas.close();
    Ok(())
}

/// Where the line of a layer stands.
fn line_at(layer: &Layer) -> f64 {
    match &layer.marks {
        Marks::Vertical(datum) | Marks::Horizontal(datum) => datum.at,
        _ => f64::NAN,
    }
}

impl Labels<'_> {
    fn vertical(&mut self, canvas: &mut dyn Canvas, layer: &Layer) -> Result<(), ChartError> {
        let Marks::Vertical(datum) = &layer.marks else {
            return Ok(());
        };
        let area = self.field.area;
        let Some(x) = self.field.across(datum.at) else {
            return Ok(());
        };
        if !area.contains(place(x, area.top)) {
            return Ok(());
        }
        let places: Vec<(Place, Anchor)> = (0..8)
            .map(|row| area.top + 12.0 + f64::from(row) * HEIGHT)
            .flat_map(|y| {
                [
                    (place(x + 5.0, y), Anchor::Start),
                    (place(x - 5.0, y), Anchor::End),
                ]
            })
            .collect();
        self.set(canvas, &datum.label, self.color(layer.ink), &places)
    }

    fn horizontal(&mut self, canvas: &mut dyn Canvas, layer: &Layer) -> Result<(), ChartError> {
        let Marks::Horizontal(datum) = &layer.marks else {
            return Ok(());
        };
        let area = self.field.area;
        let Some(y) = self.field.up(datum.at) else {
            return Ok(());
        };
        if !area.contains(place(area.left, y)) {
            return Ok(());
        }
        let (above, below) = (y - 5.0, y + HEIGHT - 1.0);
        let (left, right) = (area.left + 6.0, area.right - 6.0);
        let places = [
            (place(right, above), Anchor::End),
            (place(right, below), Anchor::End),
            (place(left, above), Anchor::Start),
            (place(left, below), Anchor::Start),
        ];
        self.set(canvas, &datum.label, self.color(layer.ink), &places)
    }

    /// Words beside their places. What points carry besides is for those who point at them.
    fn words(&mut self, canvas: &mut dyn Canvas, panel: &Panel) -> Result<(), ChartError> {
        let mut words = Vec::new();
        for layer in &panel.layers {
            if let Marks::Words(points) = &layer.marks {
                self.collect(points, self.color(layer.ink), &mut words);
            }
        }
        for (at, label, color) in words {
            let places = [
                (place(at.x + 7.0, at.y - 5.0), Anchor::Start),
                (place(at.x + 7.0, at.y + 12.0), Anchor::Start),
                (place(at.x - 7.0, at.y - 5.0), Anchor::End),
                (place(at.x - 7.0, at.y + 12.0), Anchor::End),
                (place(at.x, at.y - 8.0), Anchor::Middle),
                (place(at.x, at.y + 16.0), Anchor::Middle),
            ];
            // A point between others stays without its label rather than hiding theirs.
            self.set(canvas, label, color, &places)?;
        }
        Ok(())
    }

    /// Adds the labels of points inside the axes.
    fn collect<'p>(&self, points: &'p [Point], color: Rgb, into: &mut Vec<(Place, &'p str, Rgb)>) {
        for point in points {
            let (Some(at), Some(label)) = (self.field.place(point.x, point.y), &point.label) else {
                continue;
            };
            if !label.is_empty() && self.field.area.contains(at) {
                into.push((at, label, color));
            }
        }
    }

    /// Writes a text at the first of its places that is free and inside, if one is.
    fn set(
        &mut self,
        canvas: &mut dyn Canvas,
        text: &str,
        color: Rgb,
        places: &[(Place, Anchor)],
    ) -> Result<(), ChartError> {
        if text.is_empty() {
            return Ok(());
        }
        let area = self.field.area;
        let room = area.width() * 0.6;
        let text = self.fonts.shorten(text, SIZE, Weight::Regular, room);
        let width = self.fonts.width(&text, SIZE, Weight::Regular);
        let boxes: Vec<(f64, f64, Area)> = places
            .iter()
            .map(|(at, anchor)| {
                let left = match anchor {
                    Anchor::Start => at.x,
                    Anchor::Middle => at.x - width / 2.0,
                    Anchor::End => at.x - width,
                };
                let covered = Area {
                    left: left - 2.0,
                    top: at.y - 10.5,
                    right: left + width + 2.0,
                    bottom: at.y + 3.0,
                };
                (left, at.y, covered)
            })
            .filter(|(_, _, covered)| {
                area.contains(place(covered.left, covered.top))
                    && area.contains(place(covered.right, covered.bottom))
                    && !self.taken.iter().any(|taken| taken.overlaps(covered))
            })
            .collect();
        // On the data only where no place beside them is left.
        let beside = |covered: &Area| !self.data.iter().any(|data| data.overlaps(covered));
        let found = boxes
            .iter()
            .find(|(_, _, covered)| beside(covered))
            .or_else(|| boxes.first())
            .copied();
        let Some((left, y, covered)) = found else {
            return Ok(());
        };
        self.taken.push(covered);
        let ground = Paint {
            color: self.field.theme.ground(),
            opacity: 0.75,
        };
        canvas.fill(covered, ground)?;
        canvas.text(&Text {
            text: &text,
            at: place(left, y),
            size: SIZE,
            weight: Weight::Regular,
            anchor: Anchor::Start,
            run: Run::Across,
            color,
        })
    }

    /// Text in the colour of its line, but with the contrast of text.
    fn color(&self, ink: Ink) -> Rgb {
        let theme = self.field.theme;
        theme.color(ink).mix(theme.text(), 0.45)
    }
}
