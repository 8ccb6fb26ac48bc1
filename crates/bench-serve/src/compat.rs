//! Whose defaults hold.

use std::ffi::OsString;

use bench_core::datasets::RangeRatio;
use clap::builder::{ArgPredicate, Resettable};
use clap::{Arg, Command, CommandFactory, ValueEnum};

use crate::Cli;

/// The tool whose command lines are taken as they are, where two tools mean different things by
/// the same flag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Compat {
    /// `vllm bench serve`.
    #[default]
    Vllm,
    /// SGLang's `bench_serving`.
    Sglang,
}

/// The program's command line, with the defaults that `--compat` among `arguments` asks for:
/// they are the only thing that it changes.
pub fn command(arguments: impl IntoIterator<Item = OsString>) -> Command {
    match wanted(arguments) {
        Compat::Vllm => Cli::command(),
        Compat::Sglang => sglang(Cli::command()),
    }
}

/// What `--compat` says. A mistake in it is told by the parser later.
fn wanted(arguments: impl IntoIterator<Item = OsString>) -> Compat {
    let texts = arguments
        .into_iter()
        .map(|text| text.to_string_lossy().into_owned());
    let mut texts = texts.take_while(|text| text != "--");
    let value = loop {
        match texts.next() {
            None => return Compat::default(),
            Some(text) if text == "--compat" => break texts.next(),
            Some(text) => {
                if let Some(value) = text.strip_prefix("--compat=") {
                    break Some(value.to_owned());
                }
            }
        }
    };
    value
        .and_then(|value| Compat::from_str(&value, false).ok())
        .unwrap_or_default()
}

/// Defaults of SGLang's `bench_serving` 0.5.23 that are others here, by the ids of the flags.
const SGLANG: &[(&str, &str)] = &[
    ("backend", "sglang"),
    ("port", "30000"),
    ("ready_check_timeout_sec", "60"),
    ("num_warmups", "1"),
    ("seed", "1"),
    ("dataset_name", "sharegpt"),
    ("no_oversample", "true"),
    ("sharegpt_context_len", "0"),
    ("no_self_timed", "true"),
    ("random_output_len", "1024"),
    ("random_range_ratio", "0"),
    ("ignore_eos", "true"),
    ("temperature", "0"),
    ("percentile_metrics", "e2el,ttft,tpot,itl"),
    ("metric_percentiles", "90,95,99"),
];

/// And what it does with the result of a run.
const SGLANG_RESULT: &[(&str, &str)] = &[("append_result", "true"), ("result_format", "sglang")];

/// The ports of other servers than its own.
const SGLANG_PORTS: &[(&str, &str)] = &[
    ("vllm", "8000"),
    ("vllm-chat", "8000"),
    ("vllm-embedding", "8000"),
    ("trt", "8000"),
    ("lmdeploy", "23333"),
    ("lmdeploy-chat", "23333"),
];

/// Backends that generate nothing, to which nothing can be said of it.
const SGLANG_EMBEDDING: &[&str] = &["sglang-embedding", "vllm-embedding"];

fn sglang(command: Command) -> Command {
    let measures =
        |command: &&Command| command.get_arguments().any(|arg| arg.get_id() == "backend");
    let commands: Vec<String> = command
        .get_subcommands()
        .filter(measures)
        .map(|command| command.get_name().to_owned())
        .collect();
    let command = commands.into_iter().fold(command, |command, name| {
        command.mut_subcommand(name, sglang_flags)
    });
    let command = sglang_flags(command);
    // There is a file anyway.
    let command = command
        .mut_arg("save_detailed", |arg| arg.requires(Resettable::Reset))
        .mut_arg("result_format", |arg| arg.requires(Resettable::Reset));
    with_defaults(command, SGLANG_RESULT)
}

fn sglang_flags(command: Command) -> Command {
    let backend_is = |backend: &'static str| ("backend", ArgPredicate::from(backend));
    let unless_embedding = |arg: Arg, otherwise: Option<&'static str>| {
        let cases = SGLANG_EMBEDDING.iter().map(|backend| {
            let (id, is) = backend_is(backend);
            (id, is, otherwise)
        });
        arg.default_value_ifs(cases)
    };
    with_defaults(command, SGLANG)
        .mut_arg("random_range_ratio", |arg| arg.value_parser(range_ratio))
        .mut_arg("port", |arg| {
            let cases = SGLANG_PORTS.iter().map(|(backend, port)| {
                let (id, is) = backend_is(backend);
                (id, is, Some(*port))
            });
            arg.default_value_ifs(cases)
        })
        // Times of a trace are kept only with --use-trace-timestamps.
        .mut_arg("no_self_timed", |arg| {
            let kept = ("self_timed", ArgPredicate::from("true"), Some("false"));
            arg.default_value_ifs([kept])
        })
        .mut_arg("ignore_eos", |arg| unless_embedding(arg, Some("false")))
        .mut_arg("temperature", |arg| unless_embedding(arg, None))
        .mut_arg("percentile_metrics", |arg| {
            let whole = ("no_stream", ArgPredicate::from("true"), None);
            unless_embedding(arg.default_value_ifs([whole]), None)
        })
}

fn with_defaults(command: Command, defaults: &[(&'static str, &'static str)]) -> Command {
    defaults.iter().fold(command, |command, (id, value)| {
        command.mut_arg(id, |arg| arg.default_value(value))
    })
}

/// A number is the ratio of the least length to the greatest.
fn range_ratio(text: &str) -> Result<RangeRatio, String> {
    match text.trim().parse() {
        Ok(ratio) => RangeRatio::from(ratio),
        Err(_) => text.parse(),
    }
}

#[cfg(test)]
mod tests {
    use bench_core::cli::RunOptions;
    use bench_core::report::ResultFormat;
    use clap::FromArgMatches;

    use super::*;

    fn options(arguments: &[&str]) -> RunOptions {
        let line = ["bench-serve"].iter().chain(arguments);
        let line: Vec<OsString> = line.map(OsString::from).collect();
        let matches = command(line.clone()).try_get_matches_from(line).unwrap();
        Cli::from_arg_matches(&matches).unwrap().run.options
    }

    #[test]
    fn both_command_lines_are_sound() {
        command(["--compat".into(), "sglang".into()]).debug_assert();
        command([]).debug_assert();
    }

    #[test]
    fn nothing_changes_unless_it_is_asked_for() {
        assert_eq!(options(&[]), RunOptions::default());
        assert_eq!(options(&["--compat", "vllm"]), RunOptions::default());
        let unrelated = ["--label", "--", "--compat=sglang"];
        assert_eq!(wanted(unrelated.map(OsString::from)), Compat::Vllm);
    }

    #[test]
    fn the_defaults_of_sglang_hold_and_flags_win() {
        let plain = options(&["--compat", "sglang"]);
        assert_eq!(
            (plain.server.backend.as_str(), plain.server.port),
            ("sglang", 30_000)
        );
        assert!(plain.send.ignore_eos && plain.result.append_result);
        assert_eq!(plain.result.format(), ResultFormat::Sglang);
        assert_eq!(plain.dataset.dataset_name, "sharegpt");
        assert_eq!(
            plain.dataset.random.random_range_ratio,
            RangeRatio::from(0.0).unwrap()
        );
        assert_eq!(plain.send.temperature, Some(0.0));
        let other = options(&[
            "--compat=sglang",
            "--backend=vllm",
            "--random-range-ratio=0.5",
            "--disable-ignore-eos",
            "--disable-stream",
            "--output-file=a.jsonl",
            "--output-details",
        ]);
        assert_eq!(other.server.port, 8000);
        assert_eq!(
            other.dataset.random.random_range_ratio,
            RangeRatio::from(0.5).unwrap()
        );
        assert!(other.send.disable_ignore_eos && other.send.no_stream);
        assert_eq!(other.result.percentile_metrics, None);
        assert_eq!(other.result.file_name(), Some("a.jsonl"));
        assert!(plain.shape.no_self_timed);
        let trace = options(&["--compat=sglang", "--use-trace-timestamps"]).shape;
        assert!(trace.self_timed && !trace.no_self_timed);
        let embedding = options(&["--compat=sglang", "--backend=sglang-embedding"]);
        assert_eq!(embedding.send.temperature, None);
        assert!(!embedding.send.ignore_eos);
        assert_eq!(embedding.result.percentile_metrics, None);
    }
}
