//! Tables of a page.

use bench_report::Section;

/// A table whose rows have a name each.
pub(super) struct Table {
    pub(super) caption: String,
    /// Headings, that of the names included; none if the values speak for themselves.
    pub(super) head: Vec<Heading>,
    pub(super) rows: Vec<Row>,
    /// Whether a click on a heading sorts the rows.
    pub(super) sortable: bool,
}

pub(super) struct Heading {
    pub(super) text: String,
    pub(super) is_number: bool,
}

pub(super) struct Row {
    pub(super) name: String,
    pub(super) cells: Vec<Cell>,
    /// What the row is filtered by, if it is.
    pub(super) tags: Option<Vec<(String, String)>>,
}

pub(super) struct Cell {
    pub(super) text: String,
    kind: Kind,
    /// What it is sorted by, if that is not its text.
    pub(super) value: Option<f64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
}

impl Table {
    /// Labels and values.
    pub(super) fn of_section(section: &Section) -> Table {
        let row = |(label, value): &(String, String)| Row {
            name: label.clone(),
            cells: vec![Cell::number_text(value.clone())],
            tags: None,
        };
        Table {
            caption: section.title.clone(),
            head: Vec::new(),
            rows: section.rows.iter().map(row).collect(),
            sortable: false,
        }
    }

    /// Names and texts.
    pub(super) fn of_texts(caption: &str, rows: Vec<(String, String)>) -> Table {
        let row = |(name, text): (String, String)| Row {
            name,
            cells: vec![Cell::text(text)],
            tags: None,
        };
        Table {
            caption: caption.to_owned(),
            head: Vec::new(),
            rows: rows.into_iter().map(row).collect(),
            sortable: false,
        }
    }
}

impl Heading {
    pub(super) fn text(text: impl Into<String>) -> Heading {
        Heading {
            text: text.into(),
            is_number: false,
        }
    }

    pub(super) fn number(text: impl Into<String>) -> Heading {
        Heading {
            text: text.into(),
            is_number: true,
        }
    }
}

impl Row {
    pub(super) fn new(name: impl Into<String>, cells: Vec<Cell>) -> Row {
        Row {
            name: name.into(),
            cells,
            tags: None,
        }
    }
}

impl Cell {
    pub(super) fn text(text: impl Into<String>) -> Cell {
        Cell {
            text: text.into(),
            kind: Kind::Text,
            value: None,
        }
    }

    /// A number that is written already.
    pub(super) fn number_text(text: impl Into<String>) -> Cell {
        Cell {
            text: text.into(),
            kind: Kind::Number,
            value: None,
        }
    }

    /// A number with that many digits after the point; empty if it is not known.
    pub(super) fn number(value: Option<f64>, digits: usize) -> Cell {
        let text = match value {
            None => String::new(),
            Some(value) if value.is_infinite() => "no limit".to_owned(),
            Some(value) => format!("{value:.digits$}"),
        };
        Cell {
            text,
            kind: Kind::Number,
            value: value.map(|value| value.min(f64::MAX)),
        }
    }

    /// Classes of the style.
    pub(super) fn class(&self) -> &'static str {
        match self.kind {
            Kind::Number => "number",
            Kind::Text => "text",
        }
    }
}
