use bench_types::{Prompt, Task};
use bytes::Bytes;
use serde_json::{Map, Value};

use crate::audio_wire::AudioDecoder;
use crate::multipart::Form;
use crate::{Backend, BackendError, Decoder, Request};

const NAME: &str = "openai-audio";

/// Servers with OpenAI's `/v1/audio/transcriptions`, which takes a form instead of JSON.
///
/// The user's own fields become fields of the form: a text as it is, a list as one field for
/// each element, null as no field at all, and everything else as JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenAiAudio;

impl Backend for OpenAiAudio {
    fn name(&self) -> &'static str {
        NAME
    }

    fn task(&self) -> Task {
        Task::Transcribe
    }

    fn default_path(&self, _: bool) -> &'static str {
        "/v1/audio/transcriptions"
    }

    fn encode(&self, request: &Request<'_>) -> Result<http::Request<Bytes>, BackendError> {
        // All but log probabilities and the end of the sequence, for which vLLM has no fields here.
        let known = [
            "temperature",
            "top-p",
            "top-k",
            "min-p",
            "frequency-penalty",
            "presence-penalty",
            "repetition-penalty",
            "continuous-usage",
        ];
        request.refuse_unless(NAME, &known)?;
        check_format(request)?;
        let Prompt::Audio(audio) = request.prompt else {
            return Err(BackendError::prompt(NAME, request.prompt));
        };
        let mut fields = Fields {
            form: Form::default(),
            extra: request.extra_body,
        };
        let kind = content_type(&audio.file_name);
        fields
            .form
            .file("file", &audio.file_name, kind, &audio.bytes);
        fields.add("model", Some(request.model));
        fields.add("response_format", Some("json"));
        let limit = request.max_output_tokens;
        fields.add("max_completion_tokens", (limit > 0).then_some(limit));
        fields.options(request);
        let (content_type, body) = fields.finish();
        request.post_as(&content_type, self.default_path(request.stream), body)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(AudioDecoder::default())
    }
}

/// Refuses answers that are not JSON.
fn check_format(request: &Request<'_>) -> Result<(), BackendError> {
    let extra = request.extra_body;
    match extra.and_then(|extra| extra.get("response_format")) {
        // Null is no field.
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(format))
            if matches!(&**format, "json" | "verbose_json" | "diarized_json") =>
        {
            Ok(())
        }
        Some(other) => Err(BackendError::Field {
            backend: NAME,
            field: "response_format",
            value: other.to_string(),
            cure: "ask for \"json\", \"verbose_json\" or \"diarized_json\"",
        }),
    }
}

/// The fields of a form; the user's own win over those of the same name.
struct Fields<'a> {
    form: Form<'a>,
    extra: Option<&'a Map<String, Value>>,
}

impl<'a> Fields<'a> {
    /// Adds a field if there is a value and the user does not give it.
    fn add(&mut self, name: &str, value: Option<impl ToString>) {
        let given = self.extra.is_some_and(|extra| extra.contains_key(name));
        if let (Some(value), false) = (value, given) {
            self.form.text(name, value.to_string());
        }
    }

    fn options(&mut self, request: &Request<'_>) {
        let sampling = request.sampling;
        self.add("temperature", sampling.temperature);
        self.add("top_p", sampling.top_p);
        self.add("top_k", sampling.top_k);
        self.add("min_p", sampling.min_p);
        self.add("frequency_penalty", sampling.frequency_penalty);
        self.add("presence_penalty", sampling.presence_penalty);
        self.add("repetition_penalty", sampling.repetition_penalty);
        if request.stream {
            let continuous = request.continuous_usage;
            // Servers report continuous usage only if usage is asked for at all.
            let usage = request.include_usage || continuous;
            self.add("stream", Some(true));
            self.add("stream_include_usage", usage.then_some(true));
            self.add("stream_continuous_usage_stats", continuous.then_some(true));
        }
    }

    fn finish(mut self) -> (String, Vec<u8>) {
        for (name, value) in self.extra.into_iter().flatten() {
            match value {
                Value::Null => {}
                Value::Array(several) => {
                    let texts = several.iter().map(text);
                    texts.for_each(|text| self.form.text(name, text));
                }
                one => self.form.text(name, text(one)),
            }
        }
        self.form.finish()
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The content type of a recording, by the end of its file's name.
fn content_type(file_name: &str) -> &'static str {
    let extension = file_name.rsplit_once('.').map_or("", |(_, end)| end);
    match extension.to_ascii_lowercase().as_str() {
        "wav" => "audio/wav",
        "mp3" | "mpga" | "mpeg" => "audio/mpeg",
        "flac" => "audio/flac",
        "ogg" | "oga" | "opus" => "audio/ogg",
        "m4a" | "mp4" => "audio/mp4",
        "webm" => "audio/webm",
        _ => "application/octet-stream",
    }
}
