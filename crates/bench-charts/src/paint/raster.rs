//! A picture of pixels. plotters fills the shapes on a finer grid than the picture has, from which
//! each pixel takes the mean: its own shapes have rough edges.

use plotters::backend::{BitMapBackend, DrawingBackend as _};
use plotters::style::{Color as _, RGBAColor, ShapeStyle};

use super::canvas::{Anchor, Canvas, Paint, Run, Stroke, Text};
use super::error::ChartError;
use super::font::Fonts;
use super::geometry::{Area, Place};
use super::size::Size;
use crate::{Figure, Rgb};

/// Bytes of a pixel.
const CHANNELS: usize = 3;

/// Most pixels on the longer side.
const LIMIT: u32 = 16_384;

pub(super) struct RasterCanvas {
    figure: String,
    fonts: &'static Fonts,
    /// Fine pixels per unit.
    scale: f64,
    /// Fine pixels per pixel, on each axis.
    fineness: u32,
    /// Fine pixels.
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl RasterCanvas {
    pub(super) fn new(figure: &Figure, size: Size) -> Result<RasterCanvas, ChartError> {
        let ratio = size.pixel_ratio.max(1);
        let longest = size.width.max(size.height).saturating_mul(ratio);
        if longest > LIMIT {
            return Err(ChartError::TooLarge {
                width: size.width,
                height: size.height,
                pixel_ratio: ratio,
                limit: LIMIT,
            });
        }
        // Pixels that are small themselves need fewer fine ones.
        let fineness = if ratio == 1 { 3 } else { 2 };
        let (width, height) = (
            size.width * ratio * fineness,
            size.height * ratio * fineness,
        );
        Ok(RasterCanvas {
            figure: figure.id.clone(),
            fonts: Fonts::get()?,
            scale: f64::from(ratio * fineness),
            fineness,
            width,
            height,
            pixels: vec![0; width as usize * height as usize * CHANNELS],
        })
    }

    /// The picture as PNG.
    pub(super) fn finish(self) -> Result<Vec<u8>, ChartError> {
        let (width, height) = (self.width / self.fineness, self.height / self.fineness);
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Balanced);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.coarse())?;
        writer.finish()?;
        Ok(file)
    }

    /// The mean of the fine pixels of each pixel.
    fn coarse(&self) -> Vec<u8> {
        let fine = self.fineness as usize;
        let row = self.width as usize * CHANNELS;
        let count = (fine * fine) as u32;
        let mut out = Vec::with_capacity(self.pixels.len() / (fine * fine));
        let mut sums = vec![0_u32; row / fine];
        for rows in self.pixels.chunks_exact(row * fine) {
            sums.fill(0);
            for line in rows.chunks_exact(row) {
                for (pixel, group) in line.chunks_exact(CHANNELS * fine).enumerate() {
                    for (i, value) in group.iter().enumerate() {
                        sums[pixel * CHANNELS + i % CHANNELS] += u32::from(*value);
                    }
                }
            }
            out.extend(sums.iter().map(|sum| ((sum + count / 2) / count) as u8));
        }
        out
    }

    fn with<E: ToString>(
        &mut self,
        draw: impl FnOnce(&mut BitMapBackend<'_>, f64) -> Result<(), E>,
    ) -> Result<(), ChartError> {
        let failed = |reason: String| ChartError::Drawing {
            figure: self.figure.clone(),
            reason,
        };
        let size = (self.width, self.height);
        let mut backend = BitMapBackend::with_buffer_and_format(&mut self.pixels, size)
            .map_err(|e| failed(e.to_string()))?;
        draw(&mut backend, self.scale).map_err(|e| failed(e.to_string()))
    }
}

impl Canvas for RasterCanvas {
    fn fill(&mut self, area: Area, paint: Paint) -> Result<(), ChartError> {
        self.with(|pixels, scale| {
            let left = (area.left * scale).round() as i32;
            let top = (area.top * scale).round() as i32;
            // What is there is at least a hair wide.
            let right = ((area.right * scale).round() as i32).max(left + 1);
            let bottom = ((area.bottom * scale).round() as i32).max(top + 1);
            pixels.draw_rect((left, top), (right, bottom), &style(paint), true)
        })
    }

    fn polygon(&mut self, corners: &[Place], paint: Paint) -> Result<(), ChartError> {
        self.with(|pixels, scale| {
            let corners: Vec<_> = corners.iter().map(|at| fine(*at, scale)).collect();
            pixels.fill_polygon(corners, &style(paint))
        })
    }

    fn disc(&mut self, center: Place, radius: f64, paint: Paint) -> Result<(), ChartError> {
        self.with(|pixels, scale| {
            let radius = (radius * scale).round().max(1.0) as u32;
            pixels.draw_circle(fine(center, scale), radius, &style(paint), true)
        })
    }

    fn chain(&mut self, places: &[Place], stroke: Stroke) -> Result<(), ChartError> {
        let paint = style(Paint::solid(stroke.color));
        self.with(|pixels, scale| {
            let half = stroke.width * scale / 2.0;
            for pair in places.windows(2) {
                pixels
                    .fill_polygon(beam(pair[0], pair[1], half, scale), &paint)
                    .map_err(|e| e.to_string())?;
            }
            let joints = if half >= 1.5 { places } else { &[] };
            for joint in joints {
                pixels
                    .draw_circle(fine(*joint, scale), (half - 0.5) as u32, &paint, true)
                    .map_err(|e| e.to_string())?;
            }
            Ok::<(), String>(())
        })
    }

    fn text(&mut self, text: &Text<'_>) -> Result<(), ChartError> {
        let fonts = self.fonts;
        let width = fonts.width(text.text, text.size, text.weight);
        let back = match text.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => width / 2.0,
            Anchor::End => width,
        };
        let start = match text.run {
            Run::Across => Place {
                x: text.at.x - back,
                ..text.at
            },
            Run::Up => Place {
                y: text.at.y + back,
                ..text.at
            },
        };
        self.with(|pixels, scale| {
            let (x, y) = fine(start, scale);
            let mut result = Ok(());
            fonts.rasterise(
                text.text,
                text.size * scale,
                text.weight,
                |dx, dy, share| {
                    let at = match text.run {
                        Run::Across => (x + dx, y + dy),
                        Run::Up => (x + dy, y - dx),
                    };
                    let opacity = f64::from(share.min(1.0));
                    let color = rgba(Paint {
                        color: text.color,
                        opacity,
                    });
                    if result.is_ok() {
                        result = pixels.draw_pixel(at, color.to_backend_color());
                    }
                },
            );
            result
        })
    }

    fn open(&mut self, _kind: &str, _name: Option<&str>) {}

    fn close(&mut self) {}
}

/// The fine pixel at a place.
fn fine(at: Place, scale: f64) -> (i32, i32) {
    ((at.x * scale).round() as i32, (at.y * scale).round() as i32)
}

/// The four corners of a straight line that is `half` fine pixels wide on each side.
fn beam(from: Place, to: Place, half: f64, scale: f64) -> Vec<(i32, i32)> {
    let (dx, dy) = (to.x - from.x, to.y - from.y);
    let length = dx.hypot(dy).max(1e-9);
    let (ux, uy) = (dx / length * half, dy / length * half);
    [(from, 1.0), (to, 1.0), (to, -1.0), (from, -1.0)]
        .iter()
        .map(|(at, side)| {
            (
                (at.x * scale - side * uy).round() as i32,
                (at.y * scale + side * ux).round() as i32,
            )
        })
        .collect()
}

fn rgba(paint: Paint) -> RGBAColor {
    let Rgb(red, green, blue) = paint.color;
    RGBAColor(red, green, blue, paint.opacity)
}

fn style(paint: Paint) -> ShapeStyle {
    ShapeStyle {
        color: rgba(paint),
        filled: true,
        stroke_width: 0,
    }
}
