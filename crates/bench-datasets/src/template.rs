use std::fs;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind};
use serde_json::{Map, Value, json};

use crate::tokenizer::companion;
use crate::{DatasetError, Tokenizer};

const NAME: &str = "chat";

/// The texts that a template may name, in `tokenizer_config.json`.
const TOKENS: [&str; 4] = ["bos_token", "eos_token", "pad_token", "unk_token"];

/// A tokenizer's chat template: how messages become the text that the model reads.
///
/// It is the template of `transformers`, rendered as there (blocks are trimmed, `raise_exception`
/// is known), with two differences: `strftime_now` is not defined, because prompts must be the
/// same every day, and templates that look for it fall back to a fixed date; and JSON that a
/// template writes has no blanks between its parts, whatever arguments `tojson` has.
pub struct ChatTemplate {
    environment: Environment<'static>,
    /// Variables of every prompt.
    variables: Map<String, Value>,
    id: String,
}

impl ChatTemplate {
    /// The template of a tokenizer by the name that [`Tokenizer::load`] takes: from
    /// `chat_template.jinja` or `tokenizer_config.json` beside its `tokenizer.json`; `None` if it
    /// has none. `variables` (`--chat-template-kwargs`) can be read by the template.
    ///
    /// # Errors
    /// [`DatasetError::Template`], if a file cannot be read or the template is no Jinja.
    pub fn load(
        spec: &str,
        variables: Map<String, Value>,
    ) -> Result<Option<ChatTemplate>, DatasetError> {
        let failed = |problem: String| failed(spec, problem);
        let read = |file: &str| -> Result<Option<String>, DatasetError> {
            let Some(path) = companion(spec, file).map_err(failed)? else {
                return Ok(None);
            };
            let text = fs::read_to_string(&path)
                .map_err(|cause| failed(format!("cannot read {}: {cause}", path.display())))?;
            Ok(Some(text))
        };
        let config = match read("tokenizer_config.json")? {
            None => Value::Null,
            Some(text) => serde_json::from_str(&text)
                .map_err(|cause| failed(format!("tokenizer_config.json: {cause}")))?,
        };
        let source = match in_config(&config) {
            Some(source) => Some(source),
            None => read("chat_template.jinja")?,
        };
        source
            .map(|source| ChatTemplate::new(spec, source, &config, variables))
            .transpose()
    }

    fn new(
        id: &str,
        source: String,
        config: &Value,
        given: Map<String, Value>,
    ) -> Result<ChatTemplate, DatasetError> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build();
        environment.set_syntax(syntax.map_err(|error| failed(id, error.to_string()))?);
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function(
            "raise_exception",
            |problem: String| -> Result<String, minijinja::Error> {
                Err(minijinja::Error::new(ErrorKind::InvalidOperation, problem))
            },
        );
        environment.add_filter(
            "tojson",
            |value: minijinja::Value, _: minijinja::value::Kwargs| {
                serde_json::to_string(&value).map_err(|error| {
                    minijinja::Error::new(ErrorKind::BadSerialization, error.to_string())
                })
            },
        );
        environment
            .add_template_owned(NAME, source)
            .map_err(|error| failed(id, error.to_string()))?;
        let mut variables = Map::new();
        for token in TOKENS {
            // Either the text, or an object that describes it.
            let text = match &config[token] {
                Value::Object(fields) => fields.get("content").cloned(),
                Value::String(text) => Some(text.as_str().into()),
                _ => None,
            };
            variables.extend(text.map(|text| (token.to_owned(), text)));
        }
        variables.insert("add_generation_prompt".to_owned(), true.into());
        variables.extend(given);
        Ok(ChatTemplate {
            environment,
            variables,
            id: id.to_owned(),
        })
    }

    /// The text of `messages`, which ask for an answer.
    ///
    /// # Errors
    /// [`DatasetError::Template`], if the template refuses them.
    pub fn render(&self, messages: &[Value]) -> Result<String, DatasetError> {
        let mut variables = self.variables.clone();
        variables.insert("messages".to_owned(), messages.into());
        self.environment
            .get_template(NAME)
            .and_then(|template| template.render(Serde(&variables)))
            .map_err(|error| failed(&self.id, error.to_string()))
    }

    /// The text of `messages` as a prompt for a server that reads it with `tokenizer`: without
    /// the token that begins a text, if the server puts one there by itself.
    pub(crate) fn prompt(
        &self,
        messages: &[Value],
        tokenizer: Option<&Tokenizer>,
    ) -> Result<String, DatasetError> {
        let text = self.render(messages)?;
        let begins = self.variables.get("bos_token").and_then(Value::as_str);
        let added = tokenizer.is_some_and(|tokenizer| tokenizer.specials_per_prompt() > 0);
        match begins.filter(|_| added) {
            Some(begins) => Ok(text.strip_prefix(begins).unwrap_or(&text).to_owned()),
            None => Ok(text),
        }
    }

    /// The text of a user's only message as a prompt.
    pub(crate) fn prompt_of(
        &self,
        text: &str,
        tokenizer: Option<&Tokenizer>,
    ) -> Result<String, DatasetError> {
        self.prompt(&[json!({"role": "user", "content": text})], tokenizer)
    }
}

impl std::fmt::Debug for ChatTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatTemplate")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The template in a `tokenizer_config.json`: of several the one called `default`.
fn in_config(config: &Value) -> Option<String> {
    match &config["chat_template"] {
        Value::String(source) => Some(source.clone()),
        Value::Array(named) => named
            .iter()
            .find(|one| one["name"] == "default")
            .and_then(|one| one["template"].as_str().map(str::to_owned)),
        _ => None,
    }
}

fn failed(id: &str, problem: String) -> DatasetError {
    DatasetError::Template {
        tokenizer: id.to_owned(),
        problem,
    }
}
