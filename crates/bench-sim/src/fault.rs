//! Faults on demand: what can go wrong, how it is written down, and whom it hits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::hash::unit_float;

/// One way in which an answer can differ from a plain, healthy one.
///
/// The text form is a name and its arguments, separated by colons; [`FAULTS`] lists them
/// all. "After `k` tokens" counts the output tokens of the whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Answer with this status code and an error body instead of generating.
    Status {
        /// The HTTP status code.
        code: u16,
        /// Seconds for a `Retry-After` header, if one is wanted.
        retry_after: Option<u64>,
    },
    /// Send the response headers this many milliseconds late.
    SlowHeaders(u64),
    /// Close the connection without a single byte of an answer.
    NoAnswer,
    /// Never answer, and keep the connection open.
    Mute,
    /// Answer 200 with an empty body.
    Empty,
    /// After `k` tokens send an error event, then the usual end of the stream.
    Error(u32),
    /// After `k` tokens close the connection without ending the HTTP body.
    Cut(u32),
    /// After `k` tokens reset the connection (RST, TCP only).
    Reset(u32),
    /// After `k` tokens end the HTTP body properly, without finish reason, `[DONE]` or
    /// whatever else marks the end.
    CutClean(u32),
    /// After `k` tokens send nothing for a while.
    Stall {
        /// Tokens sent before the stall.
        after: u32,
        /// Length of the stall in milliseconds; without it the stall never ends.
        ms: Option<u64>,
    },
    /// After `k` tokens send one event which is not JSON.
    Garbage(u32),
    /// After `k` tokens finish with the finish reason `abort`.
    Abort(u32),
    /// After every `n` tokens send a comment line (`: ping`) in a write of its own.
    Comments(u32),
    /// End lines with CRLF instead of LF.
    Crlf,
    /// Send every event in two writes, cut in the middle of the event.
    Split,
    /// Send `n` events in one write and one HTTP chunk.
    Merge(u32),
    /// Answer with words of multi-byte characters.
    Utf8,
    /// As [`Fault::Utf8`], each word two tokens: an event with empty text, then the word.
    Utf8Partial,
    /// End the stream without `[DONE]` or `message_stop`.
    NoDone,
    /// After everything has been sent, `[DONE]` included, keep the HTTP body open forever.
    NeverEnd,
    /// The role chunk of a chat has no `content` key.
    BareRole,
    /// The first `k` tokens are reasoning, not content, where a protocol tells them apart.
    Reasoning(u32),
    /// Report the usage on the event with the finish reason instead of in its own.
    UsageOnFinish,
    /// Ignore that the client asked for usage.
    NoUsage,
    /// Close the connection after the answer, announced by `Connection: close`.
    Close,
    /// Close the idle connection, unannounced, this many milliseconds after the answer.
    IdleClose(u64),
}

/// How one fault is written: `(name, arguments, meaning)`.
pub type FaultDoc = (&'static str, &'static str, &'static str);

/// Every fault, as shown by `bench-sim --help`.
pub const FAULTS: &[FaultDoc] = &[
    (
        "status",
        ":CODE[:RETRY_AFTER]",
        "HTTP status CODE and an error body; Retry-After in seconds",
    ),
    (
        "slow-headers",
        ":MS",
        "response headers MS milliseconds late",
    ),
    (
        "no-answer",
        "",
        "connection closed without a byte of an answer",
    ),
    ("mute", "", "no answer at all, connection kept open"),
    ("empty", "", "status 200 with an empty body"),
    (
        "error",
        ":K",
        "error event after K tokens, then the usual end",
    ),
    (
        "cut",
        ":K",
        "connection closed after K tokens, HTTP body unfinished",
    ),
    ("reset", ":K", "connection reset (RST) after K tokens"),
    (
        "cut-clean",
        ":K",
        "HTTP body ends properly after K tokens, without the end of the stream",
    ),
    (
        "stall",
        ":K[:MS]",
        "nothing sent for MS milliseconds (forever) after K tokens",
    ),
    ("garbage", ":K", "an event that is not JSON after K tokens"),
    ("abort", ":K", "finish reason abort after K tokens"),
    (
        "comments",
        ":N",
        "comment line (: ping) in its own write every N tokens",
    ),
    ("crlf", "", "lines end with CRLF"),
    ("split", "", "each event in two writes, cut mid-event"),
    ("merge", ":N", "N events in one write"),
    ("utf8", "", "text of multi-byte characters"),
    (
        "utf8-partial",
        "",
        "as utf8, each word after an event without text",
    ),
    ("no-done", "", "no `[DONE]` (or `message_stop`) at the end"),
    (
        "never-end",
        "",
        "everything sent, but the HTTP body stays open forever",
    ),
    ("bare-role", "", "chat role chunk without content"),
    (
        "reasoning",
        ":K",
        "the first K tokens are reasoning, where that is told apart",
    ),
    (
        "usage-on-finish",
        "",
        "usage on the event with the finish reason",
    ),
    ("no-usage", "", "no usage although asked for"),
    ("close", "", "Connection: close after the answer"),
    (
        "idle-close",
        "[:MS]",
        "idle connection closed MS (0) milliseconds after the answer",
    ),
];

/// A fault specification that could not be understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("invalid fault {spec:?}: {reason}")]
pub struct FaultError {
    spec: String,
    reason: String,
}

impl FaultError {
    fn new(spec: &str, reason: impl Into<String>) -> FaultError {
        FaultError {
            spec: spec.to_owned(),
            reason: reason.into(),
        }
    }
}

/// The arguments of one fault, taken one after the other.
struct Arguments<'a> {
    spec: &'a str,
    rest: std::str::Split<'a, char>,
}

impl Arguments<'_> {
    fn optional<T: FromStr>(&mut self) -> Result<Option<T>, FaultError> {
        let Some(text) = self.rest.next() else {
            return Ok(None);
        };
        let error = |_| FaultError::new(self.spec, format!("{text:?} is not a valid number"));
        text.parse().map(Some).map_err(error)
    }

    fn required<T: FromStr>(&mut self) -> Result<T, FaultError> {
        let missing = || FaultError::new(self.spec, "a number is missing");
        self.optional()?.ok_or_else(missing)
    }

    /// A count for "every n", where zero makes no sense.
    fn positive(&mut self) -> Result<u32, FaultError> {
        match self.required()? {
            0 => Err(FaultError::new(self.spec, "the number must be at least 1")),
            n => Ok(n),
        }
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(spec: &str) -> Result<Fault, FaultError> {
        let mut rest = spec.trim().split(':');
        let name = rest.next().unwrap_or_default();
        let mut args = Arguments { spec, rest };
        let fault = match name {
            "status" => {
                let code = args.required()?;
                if !(200..=599).contains(&code) {
                    return Err(FaultError::new(spec, "the status must be in 200..=599"));
                }
                Fault::Status {
                    code,
                    retry_after: args.optional()?,
                }
            }
            "slow-headers" => Fault::SlowHeaders(args.required()?),
            "no-answer" => Fault::NoAnswer,
            "mute" => Fault::Mute,
            "empty" => Fault::Empty,
            "error" => Fault::Error(args.required()?),
            "cut" => Fault::Cut(args.required()?),
            "reset" => Fault::Reset(args.required()?),
            "cut-clean" => Fault::CutClean(args.required()?),
            "stall" => Fault::Stall {
                after: args.required()?,
                ms: args.optional()?,
            },
            "garbage" => Fault::Garbage(args.required()?),
            "abort" => Fault::Abort(args.required()?),
            "comments" => Fault::Comments(args.positive()?),
            "crlf" => Fault::Crlf,
            "split" => Fault::Split,
            "merge" => Fault::Merge(args.positive()?),
            "utf8" => Fault::Utf8,
            "utf8-partial" => Fault::Utf8Partial,
            "no-done" => Fault::NoDone,
            "never-end" => Fault::NeverEnd,
            "bare-role" => Fault::BareRole,
            "reasoning" => Fault::Reasoning(args.required()?),
            "usage-on-finish" => Fault::UsageOnFinish,
            "no-usage" => Fault::NoUsage,
            "close" => Fault::Close,
            "idle-close" => Fault::IdleClose(args.optional()?.unwrap_or(0)),
            _ => {
                let names: Vec<_> = FAULTS.iter().map(|(name, _, _)| *name).collect();
                let reason = format!("unknown name, expected one of {}", names.join(", "));
                return Err(FaultError::new(spec, reason));
            }
        };
        match args.rest.next() {
            None => Ok(fault),
            Some(extra) => Err(FaultError::new(
                spec,
                format!("unexpected argument {extra:?}"),
            )),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Status {
                code,
                retry_after: None,
            } => write!(f, "status:{code}"),
            Fault::Status {
                code,
                retry_after: Some(s),
            } => write!(f, "status:{code}:{s}"),
            Fault::SlowHeaders(ms) => write!(f, "slow-headers:{ms}"),
            Fault::NoAnswer => f.write_str("no-answer"),
            Fault::Mute => f.write_str("mute"),
            Fault::Empty => f.write_str("empty"),
            Fault::Error(k) => write!(f, "error:{k}"),
            Fault::Cut(k) => write!(f, "cut:{k}"),
            Fault::Reset(k) => write!(f, "reset:{k}"),
            Fault::CutClean(k) => write!(f, "cut-clean:{k}"),
            Fault::Stall { after, ms: None } => write!(f, "stall:{after}"),
            Fault::Stall {
                after,
                ms: Some(ms),
            } => write!(f, "stall:{after}:{ms}"),
            Fault::Garbage(k) => write!(f, "garbage:{k}"),
            Fault::Abort(k) => write!(f, "abort:{k}"),
            Fault::Comments(n) => write!(f, "comments:{n}"),
            Fault::Crlf => f.write_str("crlf"),
            Fault::Split => f.write_str("split"),
            Fault::Merge(n) => write!(f, "merge:{n}"),
            Fault::Utf8 => f.write_str("utf8"),
            Fault::Utf8Partial => f.write_str("utf8-partial"),
            Fault::NoDone => f.write_str("no-done"),
            Fault::NeverEnd => f.write_str("never-end"),
            Fault::BareRole => f.write_str("bare-role"),
            Fault::Reasoning(k) => write!(f, "reasoning:{k}"),
            Fault::UsageOnFinish => f.write_str("usage-on-finish"),
            Fault::NoUsage => f.write_str("no-usage"),
            Fault::Close => f.write_str("close"),
            Fault::IdleClose(ms) => write!(f, "idle-close:{ms}"),
        }
    }
}

/// Which requests a [`FaultRule`] hits. Only requests for a generation are counted, in
/// order of arrival, from 1.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum When {
    /// Every request.
    Always,
    /// The first `n` requests.
    First(u64),
    /// Only the `n`th request.
    Nth(u64),
    /// The `n`th, `2n`th, ... request.
    Every(u64),
    /// Each request with this probability, drawn from the server's seed.
    Fraction(f64),
}

impl When {
    fn hits(self, number: u64, seed: u64) -> bool {
        match self {
            When::Always => true,
            When::First(n) => number <= n,
            When::Nth(n) => number == n,
            When::Every(n) => number.is_multiple_of(n),
            When::Fraction(p) => unit_float(&[seed, number]) < p,
        }
    }
}

impl FromStr for When {
    type Err = FaultError;

    fn from_str(spec: &str) -> Result<When, FaultError> {
        let bad = |reason: &str| FaultError::new(spec, reason);
        let (name, number) = spec.split_once(':').unwrap_or((spec, ""));
        let count = || match number.parse() {
            Ok(n) if n > 0 => Ok(n),
            _ => Err(bad("a number of at least 1 is missing")),
        };
        match name {
            "always" if number.is_empty() => Ok(When::Always),
            "first" => Ok(When::First(count()?)),
            "nth" => Ok(When::Nth(count()?)),
            "every" => Ok(When::Every(count()?)),
            "fraction" => match number.parse() {
                Ok(p) if (0.0..=1.0).contains(&p) => Ok(When::Fraction(p)),
                _ => Err(bad("a fraction in 0..=1 is missing")),
            },
            _ => Err(bad(
                "expected always, first:N, nth:N, every:N or fraction:P",
            )),
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::Always => f.write_str("always"),
            When::First(n) => write!(f, "first:{n}"),
            When::Nth(n) => write!(f, "nth:{n}"),
            When::Every(n) => write!(f, "every:{n}"),
            When::Fraction(p) => write!(f, "fraction:{p}"),
        }
    }
}

/// Faults that hit the same requests: `FAULT[+FAULT...][@WHEN]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FaultRule {
    /// What happens.
    pub faults: Vec<Fault>,
    /// To which requests.
    pub when: When,
}

impl FromStr for FaultRule {
    type Err = FaultError;

    fn from_str(spec: &str) -> Result<FaultRule, FaultError> {
        let (faults, when) = match spec.split_once('@') {
            Some((faults, when)) => (faults, when.trim().parse()?),
            None => (spec, When::Always),
        };
        Ok(FaultRule {
            faults: parse_faults(faults)?,
            when,
        })
    }
}

impl fmt::Display for FaultRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.faults.iter().enumerate() {
            let plus = if i == 0 { "" } else { "+" };
            write!(f, "{plus}{fault}")?;
        }
        match self.when {
            When::Always => Ok(()),
            when => write!(f, "@{when}"),
        }
    }
}

impl TryFrom<String> for FaultRule {
    type Error = FaultError;

    fn try_from(spec: String) -> Result<FaultRule, FaultError> {
        spec.parse()
    }
}

impl From<FaultRule> for String {
    fn from(rule: FaultRule) -> String {
        rule.to_string()
    }
}

/// The faults a request asks for itself: `FAULT[+FAULT...]`, or `none`.
pub(crate) fn parse_faults(spec: &str) -> Result<Vec<Fault>, FaultError> {
    if spec.trim() == "none" {
        return Ok(Vec::new());
    }
    spec.split('+').map(str::parse).collect()
}

/// The faults that `rules` have for the request with this number.
pub(crate) fn faults_of(rules: &[FaultRule], number: u64, seed: u64) -> Vec<Fault> {
    let hits = |(i, rule): &(usize, &FaultRule)| {
        // Rules draw independently of each other.
        rule.when.hits(number, seed.wrapping_add(1 + *i as u64))
    };
    rules
        .iter()
        .enumerate()
        .filter(hits)
        .flat_map(|(_, rule)| rule.faults.clone())
        .collect()
}

/// The text that explains `--sim-fault`.
#[cfg(feature = "cli")]
pub(crate) fn help() -> String {
    use std::fmt::Write as _;
    let mut text = String::from(
        "Answer with faults: FAULT[+FAULT...][@WHEN]. May be given several times. WHEN is \
         always (the default), first:N, nth:N, every:N or fraction:P. A request can ask for \
         faults of its own, which replace these, with the header \"x-sim-fault: FAULT[+FAULT...]\" \
         or the body field \"sim_fault\"; \"none\" asks for a healthy answer.\n\nFaults:",
    );
    for (name, args, meaning) in FAULTS {
        let spec = format!("{name}{args}");
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {spec:<26} {meaning}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One example of every fault in [`FAULTS`], in that order.
    const EXAMPLES: &[&str] = &[
        "status:503:2",
        "slow-headers:20",
        "no-answer",
        "mute",
        "empty",
        "error:3",
        "cut:4",
        "reset:5",
        "cut-clean:6",
        "stall:7:100",
        "garbage:8",
        "abort:9",
        "comments:2",
        "crlf",
        "split",
        "merge:3",
        "utf8",
        "utf8-partial",
        "no-done",
        "never-end",
        "bare-role",
        "reasoning:2",
        "usage-on-finish",
        "no-usage",
        "close",
        "idle-close:5",
    ];

    #[test]
    fn every_listed_fault_round_trips() {
        assert_eq!(EXAMPLES.len(), FAULTS.len());
        for (example, (name, _, _)) in EXAMPLES.iter().zip(FAULTS) {
            assert_eq!(example.split(':').next(), Some(*name));
            let fault: Fault = example.parse().unwrap();
            assert_eq!(fault.to_string(), *example);
        }
    }

    #[test]
    fn optional_arguments_may_be_left_out() {
        assert_eq!(
            "status:500".parse(),
            Ok(Fault::Status {
                code: 500,
                retry_after: None
            })
        );
        assert_eq!("stall:3".parse(), Ok(Fault::Stall { after: 3, ms: None }));
        assert_eq!("idle-close".parse(), Ok(Fault::IdleClose(0)));
    }

    #[test]
    fn mistakes_are_named() {
        for spec in [
            "",
            "cutt:3",
            "cut",
            "cut:x",
            "cut:3:4",
            "crlf:1",
            "merge:0",
            "status:99",
        ] {
            assert!(spec.parse::<Fault>().is_err(), "{spec:?} was taken");
        }
        for spec in [
            "cut:3@",
            "cut:3@every:0",
            "cut:3@fraction:2",
            "cut:3@always:1",
            "cut:3+",
        ] {
            assert!(spec.parse::<FaultRule>().is_err(), "{spec:?} was taken");
        }
        let error = "cutt:3".parse::<Fault>().unwrap_err().to_string();
        assert!(error.contains("cut-clean"), "{error}");
    }

    #[test]
    fn a_rule_keeps_its_faults_and_their_selector() {
        let rule: FaultRule = "cut:3+crlf@every:10".parse().unwrap();
        assert_eq!(rule.faults, [Fault::Cut(3), Fault::Crlf]);
        assert_eq!(rule.when, When::Every(10));
        assert_eq!(rule.to_string(), "cut:3+crlf@every:10");
        let json = serde_json::to_string(&rule).unwrap();
        assert_eq!(serde_json::from_str::<FaultRule>(&json).unwrap(), rule);
    }

    #[test]
    fn selectors_hit_the_requests_they_name() {
        let hit = |when: When| (1..=6).filter(|n| when.hits(*n, 7)).collect::<Vec<_>>();
        assert_eq!(hit(When::Always), [1, 2, 3, 4, 5, 6]);
        assert_eq!(hit(When::First(2)), [1, 2]);
        assert_eq!(hit(When::Nth(3)), [3]);
        assert_eq!(hit(When::Every(3)), [3, 6]);
        assert!(hit(When::Fraction(0.0)).is_empty());
        assert_eq!(hit(When::Fraction(1.0)), [1, 2, 3, 4, 5, 6]);
        let many = (1..=10_000)
            .filter(|n| When::Fraction(0.2).hits(*n, 7))
            .count();
        assert!((1_900..2_100).contains(&many), "{many} of 10000 at 0.2");
    }

    #[test]
    fn none_asks_for_a_healthy_answer() {
        assert_eq!(parse_faults("none"), Ok(Vec::new()));
        assert_eq!(
            parse_faults("crlf + split"),
            Ok(vec![Fault::Crlf, Fault::Split])
        );
    }
}
