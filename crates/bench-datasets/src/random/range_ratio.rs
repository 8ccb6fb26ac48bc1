use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How far lengths spread around the length asked for, input and output apart.
///
/// Written as one number for both, or as `{"input": 0.1, "output": 0.2}`. Both are at least 0
/// and less than 1. `{"from": 0.5}` is another kind: from half the length to the length, as
/// SGLang's `bench_serving` has it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct RangeRatio(Kind);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Around { input: f64, output: f64 },
    From(f64),
}

/// Exactly the length asked for.
impl Default for RangeRatio {
    fn default() -> Self {
        let (input, output) = (0.0, 0.0);
        RangeRatio(Kind::Around { input, output })
    }
}

/// The least and the greatest length, as factors of the length asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) low: f64,
    pub(super) high: f64,
    /// The least length whatever the factor says.
    pub(super) least: u32,
}

impl RangeRatio {
    /// The spreads of the input and the output lengths; an error text if one is not in 0..1.
    pub fn new(input: f64, output: f64) -> Result<RangeRatio, String> {
        for ratio in [input, output] {
            if !(0.0..1.0).contains(&ratio) {
                return Err(format!(
                    "the range ratio {ratio} is not between 0 and just below 1"
                ));
            }
        }
        Ok(RangeRatio(Kind::Around { input, output }))
    }

    /// From `ratio` times the length, but at least 1 token, to the length; an error text if the
    /// ratio is not in 0..=1.
    pub fn from(ratio: f64) -> Result<RangeRatio, String> {
        if !(0.0..=1.0).contains(&ratio) {
            return Err(format!("the range ratio {ratio} is not between 0 and 1"));
        }
        Ok(RangeRatio(Kind::From(ratio)))
    }

    /// The spread of the input length.
    pub(super) fn input(self) -> Spread {
        match self.0 {
            Kind::Around { input, .. } => Spread::around(input),
            Kind::From(ratio) => Spread::from(ratio),
        }
    }

    /// The spread of the output length.
    pub(super) fn output(self) -> Spread {
        match self.0 {
            Kind::Around { output, .. } => Spread::around(output),
            Kind::From(ratio) => Spread::from(ratio),
        }
    }
}

impl Spread {
    fn around(ratio: f64) -> Spread {
        Spread {
            low: 1.0 - ratio,
            high: 1.0 + ratio,
            least: 0,
        }
    }

    fn from(ratio: f64) -> Spread {
        Spread {
            low: ratio,
            high: 1.0,
            least: 1,
        }
    }
}

/// The ways to write it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Both(f64),
    Each(Each),
    Least(Least),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Least {
    from: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Each {
    input: f64,
    output: f64,
}

impl TryFrom<Written> for RangeRatio {
    type Error = String;

    fn try_from(written: Written) -> Result<RangeRatio, String> {
        match written {
            Written::Both(ratio) => RangeRatio::new(ratio, ratio),
            Written::Each(Each { input, output }) => RangeRatio::new(input, output),
            Written::Least(Least { from }) => RangeRatio::from(from),
        }
    }
}

impl From<RangeRatio> for Written {
    fn from(ratio: RangeRatio) -> Written {
        match ratio.0 {
            Kind::Around { input, output } if input == output => Written::Both(input),
            Kind::Around { input, output } => Written::Each(Each { input, output }),
            Kind::From(from) => Written::Least(Least { from }),
        }
    }
}

impl FromStr for RangeRatio {
    type Err = String;

    fn from_str(text: &str) -> Result<RangeRatio, String> {
        if let Ok(ratio) = text.trim().parse() {
            return RangeRatio::new(ratio, ratio);
        }
        let written: Written = serde_json::from_str(text).map_err(|_| {
            "neither a number nor JSON such as {\"input\": 0.1, \"output\": 0.2} or {\"from\": 0.5}"
                .to_owned()
        })?;
        RangeRatio::try_from(written)
    }
}

impl fmt::Display for RangeRatio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Around { input, output } if input == output => write!(f, "{input:?}"),
            Kind::Around { input, output } => {
                write!(f, r#"{{"input": {input:?}, "output": {output:?}}}"#)
            }
            Kind::From(ratio) => write!(f, r#"{{"from": {ratio:?}}}"#),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ways_of_writing_are_read_and_written() {
        for (text, kind) in [
            ("0", RangeRatio::new(0.0, 0.0)),
            ("0.25", RangeRatio::new(0.25, 0.25)),
            (
                r#"{"input": 0.1, "output": 0.2}"#,
                RangeRatio::new(0.1, 0.2),
            ),
            (r#"{"from": 1.0}"#, RangeRatio::from(1.0)),
        ] {
            let ratio: RangeRatio = text.parse().unwrap();
            assert_eq!(Ok(ratio), kind);
            assert_eq!(ratio.to_string().parse(), Ok(ratio));
            let json = serde_json::to_string(&ratio).unwrap();
            assert_eq!(serde_json::from_str::<RangeRatio>(&json).unwrap(), ratio);
        }
    }

    #[test]
    fn what_is_out_of_range_or_misspelt_is_refused() {
        for text in [
            "1",
            "-0.1",
            "NaN",
            "half",
            r#"{"input": 0.1}"#,
            r#"{"input": 2, "output": 0}"#,
            r#"{"from": 1.1}"#,
            r#"{"from": 0.5, "input": 0.5}"#,
        ] {
            assert!(text.parse::<RangeRatio>().is_err(), "{text}");
        }
        assert!(serde_json::from_str::<RangeRatio>("1.5").is_err());
    }
}
