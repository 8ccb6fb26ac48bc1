//! The font that comes along, and how wide texts are in it.

use std::sync::OnceLock;

use ab_glyph::{Font as _, FontRef, Glyph, PxScale, ScaleFont as _, point};

use super::error::ChartError;

const REGULAR: &[u8] = include_bytes!("../../assets/Inter-Regular.otf");
const STRONG: &[u8] = include_bytes!("../../assets/Inter-SemiBold.otf");

/// How strong letters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    Strong,
}

/// The font in its two weights.
#[derive(Clone, Debug)]
pub(super) struct Fonts {
    regular: FontRef<'static>,
    strong: FontRef<'static>,
}

impl Fonts {
    /// The font, read once.
    pub(super) fn get() -> Result<&'static Fonts, ChartError> {
        static FONTS: OnceLock<Option<Fonts>> = OnceLock::new();
        let fonts = FONTS.get_or_init(|| {
            Some(Fonts {
                regular: FontRef::try_from_slice(REGULAR).ok()?,
                strong: FontRef::try_from_slice(STRONG).ok()?,
            })
        });
        fonts.as_ref().ok_or(ChartError::Font)
    }

    /// The file of a weight.
    pub(super) fn bytes(weight: Weight) -> &'static [u8] {
        match weight {
            Weight::Regular => REGULAR,
            Weight::Strong => STRONG,
        }
    }

    fn face(&self, weight: Weight) -> &FontRef<'static> {
        match weight {
            Weight::Regular => &self.regular,
            Weight::Strong => &self.strong,
        }
    }

    /// The scale at which an em is `size` units.
    fn scale(&self, size: f64, weight: Weight) -> PxScale {
        let face = self.face(weight);
        let em = face.units_per_em().unwrap_or(1.0);
        PxScale::from(size as f32 * face.height_unscaled() / em)
    }

    /// Width of a text whose em is `size` units.
    pub(super) fn width(&self, text: &str, size: f64, weight: Weight) -> f64 {
        let face = self.face(weight).as_scaled(self.scale(size, weight));
        text.chars()
            .map(|letter| f64::from(face.h_advance(face.glyph_id(letter))))
            .sum()
    }

    /// Calls `pixel` with column, row and coverage of each pixel of a text whose em is `size`
    /// pixels, seen from the start of its base line.
    pub(super) fn rasterise(
        &self,
        text: &str,
        size: f64,
        weight: Weight,
        mut pixel: impl FnMut(i32, i32, f32),
    ) {
        let scale = self.scale(size, weight);
        let face = self.face(weight).as_scaled(scale);
        let mut across = 0.0;
        for letter in text.chars() {
            let id = face.glyph_id(letter);
            let glyph = Glyph {
                id,
                scale,
                position: point(across, 0.0),
            };
            if let Some(outline) = face.outline_glyph(glyph) {
                let bounds = outline.px_bounds();
                let (left, top) = (bounds.min.x as i32, bounds.min.y as i32);
                outline.draw(|x, y, coverage| {
                    pixel(left + x as i32, top + y as i32, coverage);
                });
            }
            across += face.h_advance(id);
        }
    }

    /// A text no wider than `room`: as it is, or with its middle left out.
    pub(super) fn shorten(&self, text: &str, size: f64, weight: Weight, room: f64) -> String {
        if self.width(text, size, weight) <= room {
            return text.to_owned();
        }
        let letters: Vec<char> = text.chars().collect();
        let without_middle = |kept: usize| -> String {
            let head = kept.div_ceil(2);
            let tail = letters.len() - (kept - head);
            let ends = letters[..head].iter().chain(&['…']);
            ends.chain(&letters[tail..]).collect()
        };
        // More letters are never narrower: the longest text that fits is found by halving.
        let (mut fitting, mut beyond) = (0, letters.len());
        while fitting + 1 < beyond {
            let kept = (fitting + beyond) / 2;
            match self.width(&without_middle(kept), size, weight) <= room {
                true => fitting = kept,
                false => beyond = kept,
            }
        }
        let short = without_middle(fitting);
        match self.width(&short, size, weight) <= room {
            true => short,
            false => String::new(),
        }
    }

    /// A text in lines no wider than `room`, broken between words; longer words lose their middle.
    pub(super) fn wrap(&self, text: &str, size: f64, weight: Weight, room: f64) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            let word = self.shorten(word, size, weight, room);
            if let Some(line) = lines.last_mut() {
                let longer = format!("{line} {word}");
                if self.width(&longer, size, weight) <= room {
                    *line = longer;
                    continue;
                }
            }
            lines.push(word);
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_width_is_that_of_the_letters() {
        let fonts = Fonts::get().unwrap();
        // Advances of "1" and "0" in the file: 1308 and 1760 of 2816 to the em.
        let width = fonts.width("10", 28.16, Weight::Regular);
        assert!((width - (13.08 + 17.60)).abs() < 1e-3, "{width}");
        assert!(fonts.width("10", 28.16, Weight::Strong) > width);
    }

    #[test]
    fn a_long_name_loses_its_middle_only() {
        let fonts = Fonts::get().unwrap();
        let name = "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B-Instruct-AWQ";
        let short = fonts.shorten(name, 12.0, Weight::Regular, 150.0);
        assert!(fonts.width(&short, 12.0, Weight::Regular) <= 150.0);
        assert!(
            short.starts_with("deepseek") && short.ends_with("AWQ"),
            "{short}"
        );
        assert_eq!(short.matches('…').count(), 1);
        assert_eq!(
            fonts.shorten("brief", 12.0, Weight::Regular, 150.0),
            "brief"
        );
    }

    #[test]
    fn lines_break_between_words_and_lose_none() {
        let fonts = Fonts::get().unwrap();
        let text = "one two three four five six seven";
        let lines = fonts.wrap(text, 12.0, Weight::Regular, 80.0);
        assert!(lines.len() > 2);
        assert_eq!(lines.join(" "), text);
        for line in &lines {
            assert!(fonts.width(line, 12.0, Weight::Regular) <= 80.0, "{line}");
        }
    }

    #[test]
    fn the_font_has_the_signs_that_labels_use() {
        let fonts = Fonts::get().unwrap();
        for sign in "≤≥×±–—…·•µμσΔ→∞−%°²éüßł".chars() {
            for face in [&fonts.regular, &fonts.strong] {
                assert_ne!(face.glyph_id(sign).0, 0, "{sign}");
            }
        }
    }
}
