//! Figures as parts of a page.

use super::plot::{Plot, hidden, plot};
use crate::figures::{Dimension, Drawn};
use crate::{Figure, Panel};

/// A figure, as the page shows it; the script draws into its panels.
pub(super) struct Chart {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) subtitle: String,
    pub(super) footer: Vec<String>,
    pub(super) columns: usize,
    pub(super) panels: Vec<PanelPlace>,
}

/// Where a panel is drawn.
pub(super) struct PanelPlace {
    pub(super) id: String,
    pub(super) title: Option<String>,
    /// What it shows, for those who do not see it.
    pub(super) label: String,
}

/// The figures of a page.
pub(super) struct Charts {
    pub(super) charts: Vec<Chart>,
    /// Why others could not be drawn.
    pub(super) missing: Vec<String>,
    pub(super) plots: Vec<Plot>,
}

impl Charts {
    pub(super) fn of(figures: Vec<Drawn>) -> Charts {
        let mut all = Charts {
            charts: Vec::new(),
            missing: Vec::new(),
            plots: Vec::new(),
        };
        for (number, figure) in figures.into_iter().enumerate() {
            match figure {
                Ok(figure) => all.add(figure, number),
                Err(reason) => all.missing.push(reason.to_string()),
            }
        }
        all
    }

    fn add(&mut self, figure: Figure, number: usize) {
        // Figures of several runs may share an id.
        let id = format!("chart-{number}-{}", figure.id);
        let target = |place: usize| format!("{id}-{place}");
        let panels = figure.panels.iter().enumerate();
        let places = panels.clone().map(|(place, panel)| PanelPlace {
            id: target(place),
            title: panel.title.clone(),
            label: label(&figure, panel),
        });
        let places = places.collect();
        let plots = panels.map(|(place, panel)| plot(panel, target(place), x_tag(panel)));
        self.plots.extend(plots);
        let mut footer = figure.footer.clone();
        footer.extend(lost(&figure));
        self.charts.push(Chart {
            title: figure.title,
            subtitle: figure.subtitle,
            footer,
            columns: figure.columns.max(1),
            panels: places,
            id,
        });
    }
}

fn label(figure: &Figure, panel: &Panel) -> String {
    let title = panel.title.as_ref().unwrap_or(&figure.title);
    format!(
        "Chart: {title}; {} over {}",
        panel.y.label(),
        panel.x.label()
    )
}

/// The tag whose values are on the x axis.
fn x_tag(panel: &Panel) -> Option<&'static str> {
    let on_axis = |dimension: &Dimension| dimension.axis().0 == panel.x.name;
    Dimension::FILTERS
        .into_iter()
        .find(on_axis)
        .map(Dimension::key)
}

fn lost(figure: &Figure) -> Option<String> {
    let values = match hidden(figure) {
        0 => return None,
        1 => "1 value is".to_owned(),
        many => format!("{many} values are"),
    };
    Some(format!(
        "{values} not shown: not finite, or not above 0 on an axis of logarithms."
    ))
}
