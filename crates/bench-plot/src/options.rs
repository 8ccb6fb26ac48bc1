use std::path::PathBuf;
use std::str::FromStr;

use bench_charts::{Figure, Size, Theme};
use clap::{Args, ValueEnum};

/// The folder that charts are written to unless told otherwise.
const FOLDER: &str = "plots";
/// Pixels of a PNG for each unit of its size unless told otherwise.
const SCALE: u32 = 2;

/// Which results to draw, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct PlotOptions {
    /// Result files, and folders of them
    ///
    /// A folder is read with all folders in it. What is no result is named and left out.
    #[arg(value_name = "PATHS", required_unless_present = "csv")]
    pub paths: Vec<PathBuf>,
    /// Draw the rows of an aggregate CSV, as `bench-aggregate` writes it
    ///
    /// With PATHS, the runs of both are drawn together.
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Draw throughput over load: tokens, requests and goodput (throughput.png)
    #[arg(long, help_heading = "Charts")]
    pub throughput: bool,
    /// Draw latency over load, and the distributions (latency.png)
    ///
    /// Mean, median and percentiles of TTFT, TPOT, ITL and E2EL over concurrency, request rate or
    /// lengths, whichever varies. The distributions need results of --save-detailed.
    #[arg(long, help_heading = "Charts")]
    pub latency: bool,
    /// Write the interactive dashboard (dashboard.html)
    ///
    /// Charts and table of all runs, with filters for model, backend, lengths and load.
    #[arg(long, help_heading = "Charts")]
    pub interactive: bool,
    /// Write the full report (report.html)
    #[arg(long, help_heading = "Charts")]
    pub report: bool,
    /// Draw all that the results allow; the default
    ///
    /// Of one result: the report and the charts of its requests (cumulative, timeline,
    /// distribution, over-time, stalls). Of several: the report, the dashboard and the charts
    /// over the load (throughput, latency, sweep, pareto).
    #[arg(long, help_heading = "Charts")]
    pub all: bool,
    /// Where the charts go.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// Where charts go, and what they look like.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct OutputOptions {
    /// The folder to write to; made if missing
    #[arg(long, value_name = "DIR", default_value = FOLDER, help_heading = "Output")]
    pub output: PathBuf,
    /// What to draw pictures as
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value = "png",
        help_heading = "Output"
    )]
    pub format: ImageFormat,
    /// The colours of pictures; pages follow the browser
    #[arg(
        long,
        value_enum,
        value_name = "THEME",
        default_value = "light",
        help_heading = "Output"
    )]
    pub theme: ThemeChoice,
    /// Width and height of pictures, such as 1600x900 [default: what suits the chart]
    #[arg(long, value_name = "WxH", help_heading = "Output")]
    pub size: Option<Extent>,
    /// Pixels of a PNG for each unit of its size: 1 for small files, 2 for sharp displays
    #[arg(
        long,
        value_name = "N",
        default_value_t = SCALE,
        value_parser = clap::value_parser!(u32).range(1..=4),
        help_heading = "Output"
    )]
    pub scale: u32,
    /// Replace files that exist
    ///
    /// Without it nothing is written if any of the files exists.
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,
}

/// What pictures are drawn as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ImageFormat {
    /// Pixels.
    #[default]
    Png,
    /// Shapes, sharp at any size.
    Svg,
    /// One file of each.
    Both,
}

/// The colours of pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ThemeChoice {
    /// Dark on white.
    #[default]
    Light,
    /// Light on nearly black.
    Dark,
}

/// Width and height of a picture in units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    width: u32,
    height: u32,
}

/// As on the command line: `1600x900`.
impl FromStr for Extent {
    type Err = String;

    fn from_str(text: &str) -> Result<Extent, String> {
        let side = |side: &str| side.parse().ok().filter(|pixels| *pixels > 0);
        let extent = text.split_once('x').and_then(|(width, height)| {
            Some(Extent {
                width: side(width)?,
                height: side(height)?,
            })
        });
        extent.ok_or_else(|| "give width and height as 1600x900".to_owned())
    }
}

impl Default for OutputOptions {
    fn default() -> OutputOptions {
        OutputOptions {
            output: PathBuf::from(FOLDER),
            format: ImageFormat::default(),
            theme: ThemeChoice::default(),
            size: None,
            scale: SCALE,
            overwrite: false,
        }
    }
}

impl OutputOptions {
    /// The size of a picture.
    pub(crate) fn size_of(&self, figure: &Figure) -> Size {
        let size = match self.size {
            Some(Extent { width, height }) => Size::new(width, height),
            None => Size::of(figure),
        };
        size.with_pixel_ratio(self.scale)
    }
}

impl PlotOptions {
    /// Everything that these results allow.
    pub fn new<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> PlotOptions {
        PlotOptions {
            paths: paths.into_iter().map(Into::into).collect(),
            ..PlotOptions::default()
        }
    }

    /// Whether everything is to be drawn that the results allow.
    pub(crate) fn wants_all(&self) -> bool {
        let chosen = self.throughput || self.latency || self.interactive || self.report;
        self.all || !chosen
    }
}

impl From<ThemeChoice> for Theme {
    fn from(choice: ThemeChoice) -> Theme {
        match choice {
            ThemeChoice::Light => Theme::Light,
            ThemeChoice::Dark => Theme::Dark,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_two_lengths() {
        let extent = Extent {
            width: 1600,
            height: 900,
        };
        assert_eq!("1600x900".parse(), Ok(extent));
        for wrong in ["1600", "0x900", "1600x", "-1x5", "1600x900x2"] {
            assert!(wrong.parse::<Extent>().is_err(), "{wrong}");
        }
    }
}
