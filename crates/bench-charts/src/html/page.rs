//! What all pages share: the frame with the library, the script and the style.

use std::fmt::Write as _;

use askama::Template;
use serde::Serialize;

use super::HtmlError;
use super::chart::{Chart, Charts};
use super::plot::Plot;
use super::text::hex;
use crate::figures::Drawn;
use crate::{Caption, Ink, Theme};

const STYLE: &str = include_str!("../../assets/page.css");
const SCRIPT: &str = include_str!("../../assets/page.js");

/// The frame of a page.
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) subtitle: String,
    pub(super) footer: Vec<String>,
    pub(super) colors: String,
    pub(super) library: String,
    pub(super) style: &'static str,
    pub(super) script: &'static str,
    plots: Vec<Plot>,
}

/// What the script is told.
#[derive(Serialize)]
pub(super) struct Data<'a> {
    themes: Themes,
    plots: &'a [Plot],
}

#[derive(Serialize)]
struct Themes {
    light: ThemeColors,
    dark: ThemeColors,
}

#[derive(Serialize)]
struct ThemeColors {
    ground: String,
    text: String,
    grid: String,
}

impl From<Theme> for ThemeColors {
    fn from(theme: Theme) -> Self {
        ThemeColors {
            ground: hex(theme.ground()),
            text: hex(theme.text()),
            grid: hex(theme.grid()),
        }
    }
}

impl Frame {
    pub(super) fn new(
        title: String,
        caption: Caption,
        plots: Vec<Plot>,
    ) -> Result<Frame, HtmlError> {
        Ok(Frame {
            title,
            subtitle: caption.subtitle,
            footer: caption.footer,
            colors: colors(),
            library: library()?,
            style: STYLE,
            script: SCRIPT,
            plots,
        })
    }

    /// What the script draws.
    pub(super) fn data(&self) -> Data<'_> {
        Data {
            themes: Themes {
                light: Theme::Light.into(),
                dark: Theme::Dark.into(),
            },
            plots: &self.plots,
        }
    }
}

/// The script of plotly. The crate hands it out with a typesetter for formulas, which would take
/// a dollar in a name for one.
fn library() -> Result<String, HtmlError> {
    let tags = plotly::Plot::offline_js_sources();
    let script = tags
        .split_once('>')
        .and_then(|(_, rest)| rest.split_once("</script>"));
    let script = script
        .map(|(script, _)| script)
        .filter(|script| script.contains("plotly.js"));
    Ok(script.ok_or(HtmlError::NoLibrary)?.to_owned())
}

/// The colours of the themes as variables of the style. What the system prefers holds until
/// the script knows better.
fn colors() -> String {
    let (light, dark) = (variables(Theme::Light), variables(Theme::Dark));
    let mut style = format!(":root, :root[data-theme=light] {{{light}}}\n");
    // Writing to a String cannot fail.
    let _ = writeln!(style, ":root[data-theme=dark] {{{dark}}}");
    let _ = writeln!(
        style,
        "@media (prefers-color-scheme: dark) {{ :root:not([data-theme]) {{{dark}}} }}"
    );
    style
}

fn variables(theme: Theme) -> String {
    let (link, raised) = match theme {
        Theme::Light => ("#005a9c", "#f4f4f4"),
        Theme::Dark => ("#7cc4f5", "#22252b"),
    };
    let muted = match theme {
        Theme::Light => "#5c5c5c",
        Theme::Dark => "#a6a6a6",
    };
    format!(
        " --ground: {}; --text: {}; --grid: {}; --good: {}; --bad: {}; --muted: {muted}; \
         --link: {link}; --raised: {raised}; ",
        hex(theme.ground()),
        hex(theme.text()),
        hex(theme.grid()),
        hex(theme.color(Ink::Good)),
        hex(theme.color(Ink::Bad)),
    )
}

#[derive(Template)]
#[template(path = "charts.html")]
struct ChartsPage {
    frame: Frame,
    charts: Vec<Chart>,
    missing: Vec<String>,
}

/// A page with these figures, and why others could not be drawn.
///
/// # Errors
/// [`HtmlError`]: only if this library was built wrongly.
pub fn page(title: &str, caption: Caption, figures: Vec<Drawn>) -> Result<String, HtmlError> {
    let Charts {
        charts,
        missing,
        plots,
    } = Charts::of(figures);
    let frame = Frame::new(title.to_owned(), caption, plots)?;
    let page = ChartsPage {
        frame,
        charts,
        missing,
    };
    Ok(page.render()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Axis, Figure, Layer, Marks, NoChart, Panel, Point};

    const SCRIPT_END: &str = "</script><script>alert(1)</script>";

    fn figure() -> Figure {
        let points = vec![Point::at(1.0, 2.0), Point::at(f64::NAN, 2.0)];
        Caption::default().figure(
            "one",
            SCRIPT_END,
            vec![Panel {
                title: Some(SCRIPT_END.to_owned()),
                x: Axis::linear(SCRIPT_END, Some("s")),
                y: Axis::linear("TTFT", Some("ms")),
                layers: vec![Layer::new(
                    Some(SCRIPT_END.to_owned()),
                    Ink::Series(0),
                    Marks::Line(points),
                )],
            }],
        )
    }

    #[test]
    fn a_page_has_no_scripts_but_its_own_and_fetches_nothing() {
        let page = page(SCRIPT_END, Caption::default(), vec![Ok(figure())]).unwrap();
        assert_eq!(page.matches("</script>").count(), 3);
        assert_eq!(page.matches("<script").count(), 3);
        assert!(page.contains("default-src 'none'"));
        assert!(!page.contains("MathJax-Config"));
        let outside = page.replace(&library().unwrap(), "");
        assert!(!outside.contains("http://") && !outside.contains("https://"));
    }

    #[test]
    fn what_cannot_be_shown_is_said() {
        let missing = NoChart::NoRuns { chart: "sweep" };
        let reason = missing.to_string();
        let page = page("T", Caption::default(), vec![Ok(figure()), Err(missing)]).unwrap();
        assert!(page.contains("1 value is not shown"));
        assert!(page.contains(&reason));
    }
}
