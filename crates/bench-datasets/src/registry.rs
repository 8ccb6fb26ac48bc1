use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::mix::Mix;
use crate::{
    AgenticOptions, AgenticTrace, AsrOptions, AzureTrace, BurstGpt, Custom, CustomAudio,
    CustomImage, Dataset, DatasetError, GeneratedSharedPrefix, HuggingFace, ImageOptions, Images,
    LongBenchV2, MediaOptions, MixPart, Mmmu, Mooncake, MtBench, OpenAiLog, PrefixRepetition,
    Random, RandomIds, RandomMm, RandomMmOptions, RandomRerank, Replay, RerankOptions,
    SampleContext, ShareGpt, Sonnet, SpecBench, SpeedBench, TimedTrace, Tokenizer, TraceOptions,
};

/// A dataset that can be chosen by name.
#[derive(Debug)]
#[non_exhaustive]
pub struct DatasetInfo {
    /// The name.
    pub name: &'static str,
    /// Other names it answers to.
    pub aliases: &'static [&'static str],
    /// What it is, in a few words.
    pub about: &'static str,
    select: fn(&DatasetOptions) -> Box<dyn Dataset>,
}

/// Writes the registry and the options of all datasets from one list. A dataset whose options
/// are all another one's has no field.
macro_rules! datasets {
    ($($($field:ident: $options:ident,)? $name:literal $(or $alias:literal)*, $about:literal,
        $select:expr;)*) => {
        /// All datasets that can be chosen by name.
        pub const DATASETS: &[DatasetInfo] = &[$(DatasetInfo {
            name: $name,
            aliases: &[$($alias),*],
            about: $about,
            select: $select,
        }),*];

        /// Which dataset a run uses, with the options of every dataset.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(default, rename_all = "kebab-case")]
        #[cfg_attr(feature = "cli", derive(clap::Args))]
        #[cfg_attr(feature = "cli", command(next_help_heading = "Dataset"))]
        pub struct DatasetOptions {
            /// What to send
            #[cfg_attr(feature = "cli", arg(long, value_name = "NAME", value_parser = names(),
                default_value_t = DatasetOptions::default().dataset_name))]
            pub dataset_name: String,

            /// Send several datasets, drawn at random by weight, instead of --dataset-name:
            /// NAME=WEIGHT, NAME:PATH=WEIGHT or LABEL@NAME:PATH=WEIGHT, separated by commas;
            /// results are told apart by label, which is the name if none is given
            #[cfg_attr(feature = "cli", arg(long, value_name = "PART=WEIGHT", value_delimiter = ','))]
            pub mix: Vec<MixPart>,

            /// File or directory to read, for datasets that read one
            #[cfg_attr(feature = "cli", arg(long, value_name = "PATH"))]
            pub dataset_path: Option<PathBuf>,

            /// Prompt length in tokens, whatever the dataset's own option says
            #[cfg_attr(feature = "cli", arg(long, value_name = "TOKENS"))]
            pub input_len: Option<u32>,

            /// Output length in tokens, whatever the dataset's own option says
            #[cfg_attr(feature = "cli", arg(long, value_name = "TOKENS"))]
            pub output_len: Option<u32>,

            /// Take the entries of a file in their order
            #[cfg_attr(feature = "cli", arg(long))]
            pub disable_shuffle: bool,

            /// Send fewer prompts rather than some twice, if a file has too few
            #[cfg_attr(feature = "cli", arg(long))]
            pub no_oversample: bool,

            /// Leave out conversations that have more tokens than this, prompt and answer
            /// together, and say how many
            #[cfg_attr(feature = "cli", arg(long, value_name = "TOKENS"))]
            pub max_model_len: Option<u32>,

            /// Send what users ask as it stands, without the tokenizer's chat template, where
            /// the backend takes plain text
            #[cfg_attr(feature = "cli", arg(long))]
            pub skip_chat_template: bool,

            /// Send every recorded prompt by the tokenizer's chat template, those of `sharegpt`
            /// and other datasets that are sent as they stand, too
            #[cfg_attr(feature = "cli", arg(long, conflicts_with = "skip_chat_template"))]
            pub apply_chat_template: bool,

            /// More variables of the chat template, as a JSON object
            #[cfg_attr(feature = "cli", arg(long, value_name = "JSON"))]
            pub chat_template_kwargs: Option<String>,

            /// Send prompts as token ids instead of text
            #[cfg_attr(feature = "cli", arg(long, visible_alias = "tokenize-prompt"))]
            pub prompt_token_ids: bool,

            /// Make the same synthetic prompts in every run of a seed
            ///
            /// Otherwise their first tokens differ from run to run, so that a server does not
            /// find in its prefix cache what an earlier run sent. Lengths and order are the same.
            #[cfg_attr(feature = "cli", arg(long))]
            pub fixed_prompts: bool,

            /// Number by which synthetic prompts differ from those of other runs, to make those of
            /// one run again; drawn if not given, and in the result
            #[cfg_attr(feature = "cli", arg(long, value_name = "N",
                conflicts_with = "fixed_prompts"))]
            pub prompt_nonce: Option<u64>,

            /// Which part of a trace is replayed.
            #[serde(flatten)]
            #[cfg_attr(feature = "cli", command(flatten))]
            pub trace: TraceOptions,

            $($(
                #[doc = concat!("Options of `", $name, "`.")]
                #[serde(flatten)]
                #[cfg_attr(feature = "cli", command(flatten))]
                pub $field: $options,
            )?)*
        }

        impl Default for DatasetOptions {
            fn default() -> DatasetOptions {
                DatasetOptions {
                    dataset_name: "random".to_owned(),
                    mix: Vec::new(),
                    dataset_path: None,
                    input_len: None,
                    output_len: None,
                    disable_shuffle: false,
                    no_oversample: false,
                    max_model_len: None,
                    skip_chat_template: false,
                    apply_chat_template: false,
                    chat_template_kwargs: None,
                    prompt_token_ids: false,
                    fixed_prompts: false,
                    prompt_nonce: None,
                    trace: TraceOptions::default(),
                    $($($field: $options::default(),)?)*
                }
            }
        }
    };
}

datasets! {
    random: Random, "random", "random tokens, to the token as many as asked for",
        |options| Box::new(options.random.clone());
    "random-ids" or "random_ids", "random tokens of any kind, to the token as many as asked for",
        |options| Box::new(RandomIds { random: options.random.clone() });
    random_rerank: RerankOptions, "random-rerank" or "random_rerank",
        "a query and documents of random tokens, for rerankers",
        |options| Box::new(RandomRerank {
            random: options.random.clone(),
            options: options.random_rerank.clone(),
        });
    prefix_repetition: PrefixRepetition, "prefix_repetition" or "prefix-repetition",
        "random tokens behind a few prefixes that many prompts share",
        |options| Box::new(options.prefix_repetition.clone());
    generated_shared_prefix: GeneratedSharedPrefix, "generated-shared-prefix" or "generated_shared_prefix",
        "groups of random prompts that share a system prompt, in one or several turns",
        |options| Box::new(options.generated_shared_prefix.clone());
    sonnet: Sonnet, "sonnet", "lines of sonnets, some of which all prompts share",
        |options| Box::new(options.sonnet.clone());
    random_mm: RandomMmOptions, "random-mm" or "random_mm", "random text with images of random sizes",
        |options| Box::new(RandomMm {
            random: options.random.clone(),
            options: options.random_mm.clone(),
        });
    image: ImageOptions, "image", "random text with images of one size",
        |options| Box::new(Images {
            random: options.random.clone(),
            options: options.image.clone(),
        });
    sharegpt: ShareGpt, "sharegpt", "first turns of recorded conversations (a ShareGPT JSON file)",
        |options| Box::new(options.sharegpt.clone());
    custom: Custom, "custom", "prompts of your own (JSONL, a JSON array, CSV or Parquet)",
        |options| Box::new(options.custom.clone());
    spec_bench: SpecBench, "spec_bench" or "spec-bench", "questions of Spec-Bench (its question.jsonl)",
        |options| Box::new(options.spec_bench.clone());
    speed_bench: SpeedBench, "speed-bench" or "speed_bench",
        "questions of SPEED-Bench (a file, or the directory of all)",
        |options| Box::new(options.speed_bench.clone());
    hf: HuggingFace, "hf", "a Hugging Face dataset (a file, a directory, or its name on the hub)",
        |options| Box::new(options.hf.clone());
    custom_image: MediaOptions, "custom_image" or "custom-mm" or "custom-image" or "custom_mm",
        "pictures of your own, with questions about them (JSONL)",
        |options| Box::new(CustomImage {
            custom: options.custom.clone(),
            media: options.custom_image.clone(),
        });
    custom_audio: AsrOptions, "custom_audio" or "audio" or "custom-audio",
        "recordings of your own (a directory of .wav files, or a manifest in JSONL)",
        |options| Box::new(CustomAudio {
            custom: options.custom.clone(),
            options: options.custom_audio.clone(),
        });
    burstgpt: BurstGpt, "burstgpt", "the BurstGPT trace: times and lengths (a CSV)",
        |options| Box::new(options.burstgpt.clone());
    timed_trace: TimedTrace, "timed_trace" or "timed-trace",
        "traces with hash ids, such as Mooncake's and Bailian's (JSONL)",
        |options| Box::new(options.timed_trace.clone());
    mooncake: Mooncake, "mooncake", "Mooncake's traces, by SGLang's flags (JSONL)",
        |options| Box::new(options.mooncake.clone());
    agentic_trace: AgenticOptions, "agentic-trace" or "agentic_trace",
        "conversations of agents with their tools (SGLang's JSON)",
        |options| Box::new(AgenticTrace {
            sharegpt: options.sharegpt.clone(),
            options: options.agentic_trace.clone(),
        });

    // Those that have no options of their own.
    "mtbench" or "mt-bench" or "mt_bench", "first questions of MT-Bench (a file of its questions)",
        |options| Box::new(MtBench { output_len: options.hf.hf_output_len });
    "mmmu", "questions about pictures (MMMU of the Hugging Face hub, or a copy)",
        |options| Box::new(Mmmu { hf: options.hf.clone() });
    "openai", "request bodies of the OpenAI chat protocol (JSONL)",
        |options| Box::new(OpenAiLog { sharegpt: options.sharegpt.clone() });
    "longbench_v2" or "longbench-v2", "questions about long texts (a file of LongBench v2)",
        |options| Box::new(LongBenchV2 { sharegpt: options.sharegpt.clone() });
    "azure-trace" or "azure_trace", "Azure's LLM inference traces: times and lengths (a CSV)",
        |_| Box::new(AzureTrace);
    "replay", "traces in the project's own format (JSONL)", |_| Box::new(Replay);
}

impl DatasetInfo {
    /// The dataset that answers to a name.
    fn of(name: &str) -> Option<&'static DatasetInfo> {
        let is_meant = |info: &&DatasetInfo| info.name == name || info.aliases.contains(&name);
        DATASETS.iter().find(is_meant)
    }
}

impl DatasetOptions {
    /// The dataset they choose.
    pub fn dataset(&self) -> Result<Box<dyn Dataset>, DatasetError> {
        if !self.mix.is_empty() {
            return Ok(Box::new(Mix::new(self)?));
        }
        match DatasetInfo::of(&self.dataset_name) {
            Some(info) => Ok((info.select)(self)),
            None => Err(DatasetError::UnknownDataset {
                name: self.dataset_name.clone(),
                known: DATASETS
                    .iter()
                    .map(|info| info.name)
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        }
    }

    /// What they say to the dataset, for a run of `num_prompts` conversations by `seed`.
    pub fn context<'a>(
        &'a self,
        tokenizer: Option<&'a Tokenizer>,
        num_prompts: usize,
        seed: u64,
    ) -> SampleContext<'a> {
        SampleContext {
            tokenizer,
            dataset_path: self.dataset_path.as_deref(),
            input_len: self.input_len,
            output_len: self.output_len,
            disable_shuffle: self.disable_shuffle,
            no_oversample: self.no_oversample,
            max_model_len: self.max_model_len,
            apply_chat_template: self.apply_chat_template,
            prompt_token_ids: self.prompt_token_ids,
            trace: self.trace,
            nonce: self.prompt_nonce,
            ..SampleContext::new(num_prompts, seed)
        }
    }
}

/// The registered names, with what they stand for. Whichever of its names is given, a dataset goes
/// by the first, in results and fingerprints too.
#[cfg(feature = "cli")]
fn names() -> impl clap::builder::TypedValueParser<Value = String> {
    use clap::builder::TypedValueParser as _;
    let value = |info: &DatasetInfo| {
        clap::builder::PossibleValue::new(info.name)
            .aliases(info.aliases)
            .help(info.about)
    };
    let first = |name: String| DatasetInfo::of(&name).map_or(name, |info| info.name.to_owned());
    clap::builder::PossibleValuesParser::new(DATASETS.iter().map(value)).map(first)
}

#[cfg(all(test, feature = "cli"))]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        options: DatasetOptions,
    }

    #[test]
    fn nothing_on_the_command_line_is_nothing_in_a_file_is_the_default() {
        let cli = Cli::try_parse_from(["test"]).unwrap().options;
        let file: DatasetOptions = serde_json::from_str("{}").unwrap();
        assert_eq!(cli, DatasetOptions::default());
        assert_eq!(file, DatasetOptions::default());
    }

    #[test]
    fn names_are_known_with_hyphens_and_with_underscores() {
        for info in DATASETS {
            for name in std::iter::once(&info.name).chain(info.aliases) {
                for name in [name.replace('_', "-"), name.replace('-', "_")] {
                    let cli = Cli::try_parse_from(["test", "--dataset-name", &name]);
                    assert_eq!(cli.unwrap().options.dataset_name, info.name, "{name}");
                }
            }
        }
    }

    #[test]
    fn every_flag_stands_under_its_dataset_in_the_help() {
        let command = <Cli as clap::CommandFactory>::command();
        let beginnings = [
            ("random-mm-", "Dataset: random-mm"),
            ("random-image-count", "Dataset: image"),
            ("image-", "Dataset: image"),
            ("gsp-", "Dataset: generated-shared-prefix"),
            ("sonnet-", "Dataset: sonnet"),
            ("random-", "Dataset: random"),
            ("no-reranker", "Dataset: random-rerank"),
            ("prefix-repetition-", "Dataset: prefix_repetition"),
            ("sharegpt-", "Dataset: sharegpt"),
            ("prompt-suffix", "Dataset: sharegpt"),
            ("hf-", "Dataset: hf"),
            ("blazedit-", "Dataset: hf"),
            ("spec-bench-", "Dataset: spec_bench"),
            ("speed-bench-", "Dataset: speed-bench"),
            ("custom-ensure-", "Dataset: custom_image"),
            ("custom-", "Dataset: custom"),
            ("asr-", "Dataset: custom_audio"),
            ("burstgpt-", "Dataset: burstgpt"),
            ("timed-trace-", "Dataset: timed_trace"),
            ("mooncake-", "Dataset: mooncake"),
            ("agentic-", "Dataset: agentic-trace"),
            ("dataset-offset", "Dataset: agentic-trace"),
            ("trace-", "Dataset: traces"),
        ];
        for argument in command.get_arguments() {
            let flag = argument.get_long().unwrap();
            let heading = beginnings
                .iter()
                .find_map(|(start, heading)| flag.starts_with(start).then_some(*heading));
            let heading = heading.unwrap_or("Dataset");
            assert_eq!(argument.get_help_heading(), Some(heading), "{flag}");
        }
    }

    #[test]
    fn an_alias_is_taken_on_the_command_line() {
        let cli = Cli::try_parse_from(["test", "--dataset-name", "audio"]).unwrap();
        assert_eq!(cli.options.dataset().unwrap().name(), "custom_audio");
    }

    #[test]
    fn keys_of_a_file_are_flags() {
        let options = DatasetOptions::default();
        let json = serde_json::to_value(&options).unwrap();
        let command = <Cli as clap::CommandFactory>::command();
        let mut flags: Vec<&str> = command
            .get_arguments()
            .filter_map(|a| a.get_long())
            .collect();
        flags.sort_unstable();
        let mut keys: Vec<&str> = json
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        keys.sort_unstable();
        assert_eq!(keys, flags);
        assert_eq!(
            serde_json::from_value::<DatasetOptions>(json).unwrap(),
            options
        );
    }
}
