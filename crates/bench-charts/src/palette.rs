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
    /// The n-th of several that have an order, such as rising loads: a step from dark to light.
    Step {
        /// Which, from 0.
        index: usize,
        /// How many there are.
        of: usize,
    },
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

/// Stations of viridis (Smith and van der Walt, 2015), which gets lighter evenly for any colour
/// vision.
const STEPS: [Rgb; 5] = [
    Rgb(68, 1, 84),
    Rgb(59, 82, 139),
    Rgb(33, 145, 140),
    Rgb(94, 201, 98),
    Rgb(253, 231, 37),
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
            (Ink::Step { index, of }, theme) => theme.step(index, of),
            (Ink::Good, _) => Rgb(0, 158, 115),
            (Ink::Bad, _) => Rgb(213, 94, 0),
            (Ink::Muted, Theme::Light) => Rgb(140, 140, 140),
            (Ink::Muted, Theme::Dark) => Rgb(150, 150, 150),
        }
    }

    /// A colour on the way from dark to light, without the end that the ground would swallow.
    fn step(self, index: usize, of: usize) -> Rgb {
        let (first, last) = match self {
            Theme::Light => (0.0, 0.85),
            Theme::Dark => (0.25, 1.0),
        };
        let share = index as f64 / of.saturating_sub(1).max(1) as f64;
        let place = (first + (last - first) * share.min(1.0)) * (STEPS.len() - 1) as f64;
        let below = (place as usize).min(STEPS.len() - 2);
        let (low, high) = (STEPS[below], STEPS[below + 1]);
        let between = |low: u8, high: u8| {
            let (low, high) = (f64::from(low), f64::from(high));
            (low + (high - low) * (place - below as f64)).round() as u8
        };
        Rgb(
            between(low.0, high.0),
            between(low.1, high.1),
            between(low.2, high.2),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_get_lighter() {
        let light = |rgb: Rgb| u32::from(rgb.0) + 2 * u32::from(rgb.1) + u32::from(rgb.2);
        for theme in [Theme::Light, Theme::Dark] {
            let steps: Vec<u32> = (0..7)
                .map(|index| light(theme.color(Ink::Step { index, of: 7 })))
                .collect();
            assert!(steps.is_sorted(), "{steps:?}");
        }
        let only = Ink::Step { index: 0, of: 1 };
        assert_eq!(Theme::Light.color(only), STEPS[0]);
        assert_eq!(Theme::Dark.color(Ink::Step { index: 6, of: 7 }), STEPS[4]);
    }
}
