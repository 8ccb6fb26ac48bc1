//! A picture as SVG. plotters writes the elements; the document around them, the font and the
//! exact widths of texts are written here, because plotters knows none of them.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use plotters::backend::{DrawingBackend as _, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    FontFamily, FontStyle, FontTransform, IntoFont as _, RGBAColor, ShapeStyle, TextStyle,
};

use super::canvas::{Anchor, Canvas, Paint, Run, Stroke, Text};
use super::error::ChartError;
use super::font::{Fonts, Weight};
use super::geometry::{Area, Place};
use super::size::Size;
use crate::{Figure, Rgb};

/// plotters places things on whole numbers: ten of them to a unit keep curves smooth.
const STEPS: f64 = 10.0;

/// Name of the font inside the document, and what stands in for it where a program ignores fonts
/// that come along. The widths of texts are fixed, so that nothing overlaps there either.
const FAMILY: &str = "Inter";
const FALLBACKS: &str = "'Helvetica Neue',Arial,'DejaVu Sans',sans-serif";

/// plotters divides font sizes by this.
const PLOTTERS_FONT: f64 = 1.24;

/// How far below its place plotters puts the base line of a text that hangs from it, in em.
const HANG: f64 = 0.76;

pub(super) struct SvgCanvas {
    figure: String,
    fonts: &'static Fonts,
    out: String,
}

impl SvgCanvas {
    pub(super) fn new(figure: &Figure, size: Size) -> Result<SvgCanvas, ChartError> {
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" \
             viewBox=\"0 0 {} {}\" role=\"img\" stroke-linejoin=\"round\" \
             stroke-linecap=\"round\">\n",
            size.width,
            size.height,
            f64::from(size.width) * STEPS,
            f64::from(size.height) * STEPS,
        );
        let title = match figure.subtitle.as_str() {
            "" => figure.title.clone(),
            subtitle => format!("{}: {subtitle}", figure.title),
        };
        out.push_str("<title>");
        escape(&title, &mut out);
        out.push_str("</title>\n<style>\n");
        for (weight, name) in [(Weight::Regular, "normal"), (Weight::Strong, "bold")] {
            let file = BASE64.encode(Fonts::bytes(weight));
            out.push_str("@font-face{font-family:Inter;font-weight:");
            out.push_str(name);
            out.push_str(";src:url(data:font/otf;base64,");
            out.push_str(&file);
            out.push_str(") format('opentype')}\n");
        }
        let _ = writeln!(
            out,
            "text{{white-space:pre;font-family:{FAMILY},{FALLBACKS}}}\n\
             .heat,.color-bar,.grid{{shape-rendering:crispEdges}}\n</style>"
        );
        Ok(SvgCanvas {
            figure: figure.id.clone(),
            fonts: Fonts::get()?,
            out,
        })
    }

    /// The whole document.
    pub(super) fn finish(mut self) -> String {
        self.out.push_str("</svg>\n");
        self.out
    }

    /// What plotters writes for one thing.
    fn element(
        &self,
        draw: impl FnOnce(&mut SVGBackend<'_>) -> Result<(), String>,
    ) -> Result<String, ChartError> {
        let mut document = String::new();
        {
            let mut backend = SVGBackend::with_string(&mut document, (1, 1));
            draw(&mut backend).map_err(|reason| ChartError::Drawing {
                figure: self.figure.clone(),
                reason,
            })?;
        }
        let start = document.find('\n').map_or(0, |end| end + 1);
        let end = document.rfind("</svg>").unwrap_or(document.len());
        Ok(document.get(start..end).unwrap_or_default().to_owned())
    }

    fn add(
        &mut self,
        draw: impl FnOnce(&mut SVGBackend<'_>) -> Result<(), String>,
    ) -> Result<(), ChartError> {
        let element = self.element(draw)?;
        self.out.push_str(&element);
        Ok(())
    }
}

impl Canvas for SvgCanvas {
    fn fill(&mut self, area: Area, paint: Paint) -> Result<(), ChartError> {
        let from = steps(Place {
            x: area.left,
            y: area.top,
        });
        let to = steps(Place {
            x: area.right,
            y: area.bottom,
        });
        self.add(|svg| {
            svg.draw_rect(from, to, &style(paint, 0), true)
                .map_err(|e| e.to_string())
        })
    }

    fn polygon(&mut self, corners: &[Place], paint: Paint) -> Result<(), ChartError> {
        let corners: Vec<_> = corners.iter().copied().map(steps).collect();
        self.add(|svg| {
            svg.fill_polygon(corners, &style(paint, 0))
                .map_err(|e| e.to_string())
        })
    }

    fn disc(&mut self, center: Place, radius: f64, paint: Paint) -> Result<(), ChartError> {
        let radius = (radius * STEPS).round() as u32;
        self.add(|svg| {
            svg.draw_circle(steps(center), radius, &style(paint, 0), true)
                .map_err(|e| e.to_string())
        })
    }

    fn chain(&mut self, places: &[Place], stroke: Stroke) -> Result<(), ChartError> {
        let width = (stroke.width * STEPS).round().max(1.0) as u32;
        let places: Vec<_> = places.iter().copied().map(steps).collect();
        self.add(|svg| {
            svg.draw_path(places, &style(Paint::solid(stroke.color), width))
                .map_err(|e| e.to_string())
        })
    }

    fn text(&mut self, text: &Text<'_>) -> Result<(), ChartError> {
        if text.text.is_empty() {
            return Ok(());
        }
        // XML has no place for control characters.
        let words = text.text.replace(char::is_control, " ");
        let em = text.size * STEPS;
        let (x, y) = (text.at.x * STEPS, text.at.y * STEPS);
        let (x, y, transform) = match text.run {
            Run::Across => (x, y - HANG * em, FontTransform::None),
            Run::Up => (x - HANG * em, y, FontTransform::Rotate270),
        };
        let anchor = match text.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let weight = match text.weight {
            Weight::Regular => FontStyle::Normal,
            Weight::Strong => FontStyle::Bold,
        };
        let font = (FontFamily::Name(FAMILY), em * PLOTTERS_FONT)
            .into_font()
            .style(weight)
            .transform(transform);
        let color = rgba(Paint::solid(text.color));
        let style = TextStyle::from(font)
            .color(&color)
            .pos(Pos::new(anchor, VPos::Top));
        let element = self.element(|svg| {
            svg.draw_text(&words, &style, (x.round() as i32, y.round() as i32))
                .map_err(|e| e.to_string())
        })?;
        let width = self.fonts.width(&words, text.size, text.weight) * STEPS;
        // plotters sets texts on lines of their own, which `white-space:pre` would show.
        let element = element.replace('\n', "");
        let known = format!("<text textLength=\"{width:.0}\" lengthAdjust=\"spacingAndGlyphs\" ");
        self.out.push_str(&element.replacen("<text ", &known, 1));
        self.out.push('\n');
        Ok(())
    }

    fn open(&mut self, kind: &str, name: Option<&str>) {
        let _ = write!(self.out, "<g class=\"{kind}\">");
        if let Some(name) = name {
            self.out.push_str("<title>");
            escape(name, &mut self.out);
            self.out.push_str("</title>");
        }
        self.out.push('\n');
    }

    fn close(&mut self) {
        self.out.push_str("</g>\n");
    }
}

/// The whole numbers nearest to a place.
fn steps(at: Place) -> (i32, i32) {
    ((at.x * STEPS).round() as i32, (at.y * STEPS).round() as i32)
}

fn rgba(paint: Paint) -> RGBAColor {
    let Rgb(red, green, blue) = paint.color;
    RGBAColor(red, green, blue, paint.opacity)
}

fn style(paint: Paint, stroke_width: u32) -> ShapeStyle {
    ShapeStyle {
        color: rgba(paint),
        filled: true,
        stroke_width,
    }
}

/// Appends a text so that it stays text.
fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
}
