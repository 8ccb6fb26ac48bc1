/// A colour, 0 to 255 for red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

/// The colours a figure is drawn in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// Dark on white.
    #[default]
    Light,
    /// Light on nearly black.
    Dark,
}

/// What a layer is drawn in: a meaning, to which a theme gives a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// The n-th of several series.
    Series(usize),
    /// What is as it should be.
    Good,
    /// What is not.
    Bad,
    /// What is only there to compare with.
    Muted,
}

/// The palette of Okabe and Ito (2008), which people with any colour vision can tell apart,
/// in the order that keeps neighbours furthest apart. Its black and yellow are left out: one of
/// them is invisible on each ground.
const SERIES: [Rgb; 6] = [
    Rgb(0, 114, 178),
    Rgb(230, 159, 0),
    Rgb(0, 158, 115),
    Rgb(204, 121, 167),
    Rgb(86, 180, 233),
    Rgb(213, 94, 0),
];

impl Theme {
    /// What is drawn on.
    pub fn ground(self) -> Rgb {
        match self {
            Theme::Light => Rgb(255, 255, 255),
            Theme::Dark => Rgb(20, 22, 26),
        }
    }

    /// Text and axes.
    pub fn text(self) -> Rgb {
        match self {
            Theme::Light => Rgb(34, 34, 34),
            Theme::Dark => Rgb(226, 226, 226),
        }
    }

    /// Lines that help to read a value.
    pub fn grid(self) -> Rgb {
        match self {
            Theme::Light => Rgb(225, 225, 225),
            Theme::Dark => Rgb(58, 61, 66),
        }
    }

    /// The colour of a layer.
    pub fn color(self, ink: Ink) -> Rgb {
        match (ink, self) {
            (Ink::Series(n), _) => SERIES[n % SERIES.len()],
            (Ink::Good, _) => Rgb(0, 158, 115),
            (Ink::Bad, _) => Rgb(213, 94, 0),
            (Ink::Muted, Theme::Light) => Rgb(140, 140, 140),
            (Ink::Muted, Theme::Dark) => Rgb(150, 150, 150),
        }
    }
}
