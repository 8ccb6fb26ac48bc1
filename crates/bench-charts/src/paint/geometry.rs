//! Places and areas of a picture, in units from its upper left corner.

/// A place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// A place from its two distances.
pub(super) fn place(x: f64, y: f64) -> Place {
    Place { x, y }
}

/// A box.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Area {
    /// A box between two corners, whichever they are.
    pub(super) fn between(a: Place, b: Place) -> Area {
        Area {
            left: a.x.min(b.x),
            top: a.y.min(b.y),
            right: a.x.max(b.x),
            bottom: a.y.max(b.y),
        }
    }

    pub(super) fn width(&self) -> f64 {
        self.right - self.left
    }

    pub(super) fn height(&self) -> f64 {
        self.bottom - self.top
    }

    pub(super) fn contains(&self, at: Place) -> bool {
        // Half a unit of slack: a point on the edge belongs to the area whatever rounding does.
        at.x >= self.left - 0.5
            && at.x <= self.right + 0.5
            && at.y >= self.top - 0.5
            && at.y <= self.bottom + 0.5
    }

    /// What both cover, if they touch.
    pub(super) fn cut(&self, other: &Area) -> Option<Area> {
        let both = Area {
            left: self.left.max(other.left),
            top: self.top.max(other.top),
            right: self.right.min(other.right),
            bottom: self.bottom.min(other.bottom),
        };
        (both.left <= both.right && both.top <= both.bottom).then_some(both)
    }

    /// Whether they share more than an edge.
    pub(super) fn overlaps(&self, other: &Area) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    /// The part of a straight line inside (Liang and Barsky, 1984).
    fn clip(&self, from: Place, to: Place) -> Option<(Place, Place)> {
        let (dx, dy) = (to.x - from.x, to.y - from.y);
        let edges = [
            (-dx, from.x - self.left),
            (dx, self.right - from.x),
            (-dy, from.y - self.top),
            (dy, self.bottom - from.y),
        ];
        let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
        for (step, room) in edges {
            if step == 0.0 {
                if room < 0.0 {
                    return None;
                }
            } else if step < 0.0 {
                enter = enter.max(room / step);
            } else {
                leave = leave.min(room / step);
            }
        }
        if enter > leave {
            return None;
        }
        let at = |share: f64| place(from.x + share * dx, from.y + share * dy);
        Some((at(enter), at(leave)))
    }

    /// The parts of a chain of straight lines inside.
    pub(super) fn clip_chain(&self, chain: &[Place]) -> Vec<Vec<Place>> {
        let mut parts: Vec<Vec<Place>> = Vec::new();
        let mut open = false;
        for pair in chain.windows(2) {
            let Some((from, to)) = self.clip(pair[0], pair[1]) else {
                open = false;
                continue;
            };
            match parts.last_mut() {
                Some(part) if open && part.last() == Some(&from) => part.push(to),
                _ => parts.push(vec![from, to]),
            }
            open = to == pair[1];
        }
        parts
    }
}

/// How a line is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dash {
    /// Not at all.
    Solid,
    /// Long strokes.
    Dashed,
    /// Short strokes.
    Dotted,
}

impl Dash {
    /// Length of stroke and gap.
    fn lengths(self) -> Option<(f64, f64)> {
        match self {
            Dash::Solid => None,
            Dash::Dashed => Some((7.0, 5.0)),
            Dash::Dotted => Some((2.5, 3.5)),
        }
    }

    /// The strokes that a chain of straight lines is cut into.
    pub(super) fn strokes(self, chain: &[Place]) -> Vec<Vec<Place>> {
        let Some((stroke, gap)) = self.lengths() else {
            return vec![chain.to_vec()];
        };
        let mut strokes = Vec::new();
        let mut current: Vec<Place> = chain.first().copied().into_iter().collect();
        let (mut drawing, mut left) = (true, stroke);
        for pair in chain.windows(2) {
            let (mut from, to) = (pair[0], pair[1]);
            let mut length = (to.x - from.x).hypot(to.y - from.y);
            while length > left {
                let share = left / length;
                from = place(
                    from.x + share * (to.x - from.x),
                    from.y + share * (to.y - from.y),
                );
                length -= left;
                if drawing {
                    current.push(from);
                    strokes.push(std::mem::take(&mut current));
                } else {
                    current = vec![from];
                }
                drawing = !drawing;
                left = if drawing { stroke } else { gap };
            }
            left -= length;
            if drawing {
                current.push(to);
            }
        }
        if drawing && current.len() > 1 {
            strokes.push(current);
        }
        strokes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: Area = Area {
        left: 0.0,
        top: 0.0,
        right: 10.0,
        bottom: 10.0,
    };

    #[test]
    fn a_chain_is_cut_where_it_leaves_and_goes_on_where_it_comes_back() {
        let chain = [
            place(2.0, 5.0),
            place(2.0, 15.0),
            place(6.0, 15.0),
            place(6.0, 5.0),
            place(8.0, 5.0),
        ];
        assert_eq!(
            BOX.clip_chain(&chain),
            vec![
                vec![place(2.0, 5.0), place(2.0, 10.0)],
                vec![place(6.0, 10.0), place(6.0, 5.0), place(8.0, 5.0)],
            ]
        );
    }

    #[test]
    fn a_line_beside_the_area_leaves_nothing() {
        assert!(
            BOX.clip_chain(&[place(-5.0, 1.0), place(-1.0, 9.0)])
                .is_empty()
        );
        assert!(
            BOX.clip_chain(&[place(-5.0, 8.0), place(3.0, 20.0)])
                .is_empty()
        );
    }

    #[test]
    fn dashes_go_round_corners_and_keep_their_rhythm() {
        let strokes = Dash::Dashed.strokes(&[place(0.0, 0.0), place(5.0, 0.0), place(5.0, 20.0)]);
        assert_eq!(
            strokes,
            vec![
                vec![place(0.0, 0.0), place(5.0, 0.0), place(5.0, 2.0)],
                vec![place(5.0, 7.0), place(5.0, 14.0)],
                vec![place(5.0, 19.0), place(5.0, 20.0)],
            ]
        );
    }
}
