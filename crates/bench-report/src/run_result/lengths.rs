//! The lengths that were asked for, which a result has no key of its own for.

use std::path::PathBuf;

use bench_types::Task;

use super::RunResult;

impl RunResult {
    /// Tells where the run was read. Lengths that nothing else told are those that stand in
    /// the name of the file as `io{input}x{output}`.
    pub fn found_at(&mut self, path: impl Into<PathBuf>, entry: Option<usize>) {
        self.origin.path = path.into();
        self.origin.entry = entry;
        if self.input_len.is_some() || self.output_len.is_some() {
            return;
        }
        let name = self.origin.path.file_stem().unwrap_or_default();
        if let Some((input, output)) = lengths_in(&name.to_string_lossy()) {
            self.input_len = Some(input);
            self.output_len = Some(output).filter(|_| self.generates());
        }
    }

    /// Takes the lengths from the recorded options: those of any dataset first, such as
    /// `input-len`, then those of the dataset in use, such as `random-input-len`. Options of other
    /// datasets say nothing.
    pub(super) fn lengths_from_options(&mut self) {
        let Some(bench) = &self.bench else {
            return;
        };
        let options = &bench.options;
        let dataset = options["dataset-name"].as_str();
        let of_dataset = |which: &str| {
            let dataset = dataset?;
            // Datasets that build on another, such as random-rerank, take its lengths.
            let family = dataset.split(['-', '_']).next().unwrap_or(dataset);
            let own = options[format!("{dataset}-{which}")].as_u64();
            own.or_else(|| options[format!("{family}-{which}")].as_u64())
        };
        let length = |which: &str| options[which].as_u64().or_else(|| of_dataset(which));
        self.input_len = length("input-len");
        self.output_len = length("output-len").filter(|_| self.generates());
    }

    /// Whether output tokens were asked for: neither embeddings nor transcripts have a length
    /// of choice.
    fn generates(&self) -> bool {
        let task = self.bench.as_ref().map(|bench| bench.task);
        task.is_none_or(|task| task == Task::Generate)
    }
}

/// `io256x128` anywhere in a name, as a part of its own.
fn lengths_in(name: &str) -> Option<(u64, u64)> {
    name.split(['_', '-', '.', ' ']).find_map(|part| {
        let (input, output) = part.strip_prefix("io")?.split_once('x')?;
        Some((input.parse().ok()?, output.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_stand_in_the_names_of_sweeps() {
        for (name, lengths) in [
            ("bench_io256x128_mc8_np80", Some((256, 128))),
            ("io1x2", Some((1, 2))),
            ("bench_io256x128-run2", Some((256, 128))),
            ("ratio3x4", None),
            ("bench_iox128", None),
            ("plain", None),
        ] {
            assert_eq!(lengths_in(name), lengths, "{name}");
        }
    }

    #[test]
    fn what_the_name_says_fills_a_gap_only() {
        let mut run = RunResult::default();
        run.found_at("results/bench_io256x128_mc8_np80.json", Some(2));
        assert_eq!((run.input_len, run.output_len), (Some(256), Some(128)));
        assert_eq!(run.origin.entry, Some(2));
        let mut known = RunResult {
            input_len: Some(7),
            ..RunResult::default()
        };
        known.found_at("bench_io256x128.json", None);
        assert_eq!((known.input_len, known.output_len), (Some(7), None));
    }
}
