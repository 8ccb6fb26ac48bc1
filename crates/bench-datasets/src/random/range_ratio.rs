use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How far lengths spread around the length asked for, input and output apart.
///
/// Written as one number for both, or as `{"input": 0.1, "output": 0.2}`. Both are at least 0
/// and less than 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct RangeRatio {
    input: f64,
    output: f64,
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
        Ok(RangeRatio { input, output })
    }

    /// The spread of the input length.
    pub fn input(self) -> f64 {
        self.input
    }

    /// The spread of the output length.
    pub fn output(self) -> f64 {
        self.output
    }
}

/// The two ways to write it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Both(f64),
    Each(Each),
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
        }
    }
}

impl From<RangeRatio> for Written {
    fn from(RangeRatio { input, output }: RangeRatio) -> Written {
        if input == output {
            Written::Both(input)
        } else {
            Written::Each(Each { input, output })
        }
    }
}

impl FromStr for RangeRatio {
    type Err = String;

    fn from_str(text: &str) -> Result<RangeRatio, String> {
        if let Ok(ratio) = text.trim().parse() {
            return RangeRatio::new(ratio, ratio);
        }
        let each: Each = serde_json::from_str(text).map_err(|cause| {
            format!(
                "neither a number nor JSON such as {{\"input\": 0.1, \"output\": 0.2}} ({cause})"
            )
        })?;
        RangeRatio::new(each.input, each.output)
    }
}

impl fmt::Display for RangeRatio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.input == self.output {
            return write!(f, "{:?}", self.input);
        }
        write!(
            f,
            r#"{{"input": {:?}, "output": {:?}}}"#,
            self.input, self.output
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_writing_are_read_and_written() {
        for (text, input, output) in [
            ("0", 0.0, 0.0),
            ("0.25", 0.25, 0.25),
            (r#"{"input": 0.1, "output": 0.2}"#, 0.1, 0.2),
        ] {
            let ratio: RangeRatio = text.parse().unwrap();
            assert_eq!((ratio.input(), ratio.output()), (input, output));
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
        ] {
            assert!(text.parse::<RangeRatio>().is_err(), "{text}");
        }
        assert!(serde_json::from_str::<RangeRatio>("1.5").is_err());
    }
}
