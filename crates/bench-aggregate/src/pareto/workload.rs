//! Which work a run did.

use bench_report::{RunResult, Tool};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// The work of a run and who measured it: only runs with the same compete for a frontier.
/// What a run does not tell is the same as what another does not tell, and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Workload {
    /// The model.
    pub model_id: Option<String>,
    /// The program that measured.
    #[serde(serialize_with = "name")]
    pub tool: Tool,
    /// The dataset, with its file if it has one.
    pub dataset: Option<String>,
    /// Prompt tokens asked for.
    pub input_len: Option<u64>,
    /// Output tokens asked for.
    pub output_len: Option<u64>,
}

impl Workload {
    /// The work of a run.
    pub fn of(run: &RunResult) -> Workload {
        Workload {
            model_id: run.model_id.clone(),
            tool: run.origin.tool,
            dataset: dataset(run),
            input_len: run.input_len,
            output_len: run.output_len,
        }
    }

    fn words(&self) -> [String; 5] {
        let text = |text: &Option<String>, name: &str| {
            text.clone().unwrap_or_else(|| format!("{name} not told"))
        };
        let tokens = |tokens: Option<u64>, name: &str| match tokens {
            Some(tokens) => format!("{tokens} {name}"),
            None => format!("{name} not told"),
        };
        [
            text(&self.model_id, "model"),
            self.tool.to_string(),
            text(&self.dataset, "dataset"),
            tokens(self.input_len, "in"),
            tokens(self.output_len, "out"),
        ]
    }
}

/// What tells workloads apart, as in `128 in, 16 out`; nothing if there is only one.
pub(super) fn names(workloads: &[Workload]) -> Vec<String> {
    let words: Vec<[String; 5]> = workloads.iter().map(Workload::words).collect();
    let differs = |part: &usize| words.iter().any(|other| other[*part] != words[0][*part]);
    let differing: Vec<usize> = (0..5).filter(differs).collect();
    let name = |words: &[String; 5]| -> String {
        let told: Vec<&str> = differing.iter().map(|&part| words[part].as_str()).collect();
        told.join(", ")
    };
    words.iter().map(name).collect()
}

fn dataset(run: &RunResult) -> Option<String> {
    let options = run.bench.as_ref().map(|bench| &bench.options);
    let option = |name: &str| options.and_then(|options| options[name].as_str());
    let further = || run.further("dataset_name").and_then(Value::as_str);
    let name = option("dataset-name").or_else(further)?;
    Some(match option("dataset-path") {
        Some(path) => format!("{name} {path}"),
        None => name.to_owned(),
    })
}

fn name<S: Serializer>(tool: &Tool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(tool)
}
