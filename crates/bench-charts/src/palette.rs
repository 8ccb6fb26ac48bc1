/// A colour, 0 to 255 for red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

impl Rgb {
    /// A colour between this one and another: `share` 0 is this one, 1 the other.
    pub fn mix(self, other: Rgb, share: f64) -> Rgb {
        let between = |a: u8, b: u8| {
            (f64::from(a) + (f64::from(b) - f64::from(a)) * share.clamp(0.0, 1.0)).round() as u8
        };
        Rgb(
            between(self.0, other.0),
            between(self.1, other.1),
            between(self.2, other.2),
        )
    }
}

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

/// Viridis of van der Walt and Smith (2015) at even steps: its brightness rises evenly, for any
/// colour vision and in print without colours.
const VIRIDIS: [Rgb; 9] = [
    Rgb(68, 1, 84),
    Rgb(71, 45, 123),
    Rgb(59, 82, 139),
    Rgb(44, 114, 142),
    Rgb(33, 145, 140),
    Rgb(40, 174, 128),
    Rgb(94, 201, 98),
    Rgb(173, 220, 48),
    Rgb(253, 231, 37),
];

impl Theme {
    /// How many series have a colour of their own.
    pub const SERIES: usize = SERIES.len();

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

    /// Text that is there for those who look for it.
    pub fn faint_text(self) -> Rgb {
        self.text().mix(self.ground(), 0.35)
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

    /// The shade of a cell between the least (0) and the greatest (1) value. The greatest stands
    /// out most from the ground.
    pub fn shade(self, share: f64) -> Rgb {
        match self {
            Theme::Light => viridis(1.0 - share),
            Theme::Dark => viridis(share),
        }
    }

    /// A colour on the way from dark to light, without the end that the ground would swallow.
    fn step(self, index: usize, of: usize) -> Rgb {
        let (first, last) = match self {
            Theme::Light => (0.0, 0.85),
            Theme::Dark => (0.25, 1.0),
        };
        let share = index as f64 / of.saturating_sub(1).max(1) as f64;
        viridis(first + (last - first) * share.min(1.0))
    }
}

/// The colour of viridis at a share of its way from dark to light.
fn viridis(share: f64) -> Rgb {
    let place = share.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
    let below = (place as usize).min(VIRIDIS.len() - 2);
    VIRIDIS[below].mix(VIRIDIS[below + 1], place - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn light(rgb: Rgb) -> u32 {
        u32::from(rgb.0) + 2 * u32::from(rgb.1) + u32::from(rgb.2)
    }

    #[test]
    fn steps_get_lighter() {
        for theme in [Theme::Light, Theme::Dark] {
            let steps: Vec<u32> = (0..7)
                .map(|index| light(theme.color(Ink::Step { index, of: 7 })))
                .collect();
            assert!(steps.is_sorted(), "{steps:?}");
        }
        let only = Ink::Step { index: 0, of: 1 };
        assert_eq!(Theme::Light.color(only), VIRIDIS[0]);
        assert_eq!(Theme::Dark.color(Ink::Step { index: 6, of: 7 }), VIRIDIS[8]);
    }

    #[test]
    fn the_greatest_value_is_furthest_from_the_ground() {
        for theme in [Theme::Light, Theme::Dark] {
            let ground = light(theme.ground());
            let far = |share: f64| light(theme.shade(share)).abs_diff(ground);
            assert!(far(1.0) > far(0.5) && far(0.5) > far(0.0), "{theme:?}");
        }
    }
}
