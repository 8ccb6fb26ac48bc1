//! Before the measured load: are the servers there, do they serve the model, are they warm.

use std::sync::Arc;
use std::time::Duration;

use bench_backends::{Backend, OpenAiChat};
use bench_http::Target;
use bench_metrics::tokens::KeepText;
use bench_stream::Clock;
use bench_types::{Conversation, Failure, Outcome, Prompt};

use crate::RunError;
use crate::builder::RunBuilder;
use crate::engine::{self, Job};
use crate::lora::Models;
use crate::observer::{Observer, Phase};
use crate::plan::Plan;
use crate::probe::{Asker, WRONG_KEY};

/// Between two attempts to find the server ready.
const READY_PAUSE: Duration = Duration::from_millis(500);

impl RunBuilder {
    /// A plan to send `conversations` beside the measured ones.
    pub(crate) fn side_plan(&self, targets: &[Target], conversations: Vec<Conversation>) -> Plan {
        let mut plan = self.plan(targets.to_vec(), conversations);
        plan.offsets = Vec::new();
        plan.paced = false;
        plan.most = plan.conversations.len() as u64;
        plan.limit = None;
        plan.fills_limit = false;
        plan.prefills = None;
        plan.cancellation = None;
        plan.keep_text = KeepText::Never;
        plan.warm_connections = plan.slots.unwrap_or(1);
        plan.request.request_ids = plan.request.request_ids.aside();
        plan
    }

    /// One small request of the kind that will be measured.
    async fn try_one(
        &self,
        target: &Target,
        model: &str,
        clock: Clock,
    ) -> Result<Outcome, RunError> {
        let prompt = match self.conversations.first().map(|c| &c.turns[0].prompt) {
            Some(Prompt::TokenIds(ids)) => Prompt::TokenIds(ids[..ids.len().min(1)].into()),
            Some(Prompt::Text(_)) | None => Prompt::Text("Hello".into()),
            Some(other) => other.clone(),
        };
        let one = vec![Conversation::single(0, prompt, None, 1)];
        let mut plan = self.side_plan(std::slice::from_ref(target), one);
        plan.models = Models {
            names: vec![model.to_owned()],
            base: !self.models().is_adapter(model),
            of: Vec::new(),
        };
        let job = Job {
            plan: Arc::new(plan),
            warm_up: None,
            probes: None,
            before: Vec::new(),
            clock,
            stop: &self.stop,
            phase: Phase::ReadyCheck,
        };
        let mut recording = engine::record(job, &mut (), None).await?;
        let ended = recording.records.pop().map(|record| record.outcome);
        Ok(ended.unwrap_or(Outcome::Failed(Failure::Cancelled)))
    }

    /// llama.cpp does not know the limit of tokens by the name that OpenAI gives it in chats,
    /// and would go on to the end of its context: it is spoken to by its own backend. Says so.
    pub(crate) async fn adapt(&mut self, targets: &[Target], asker: &Asker) -> Option<String> {
        let (openai, own) = (&OpenAiChat::OPENAI, &OpenAiChat::LLAMA_CPP);
        if self.backend.name() != openai.name() || !asker.is_llama_cpp(&targets[0]).await {
            return None;
        }
        self.backend = own;
        Some(format!(
            "the server is llama.cpp, so that the limit of tokens was sent as max_tokens: the \
             backend is `{}`",
            own.name()
        ))
    }

    /// Waits until every server has answered a request.
    pub(crate) async fn await_ready(
        &self,
        targets: &[Target],
        clock: Clock,
        observer: &mut dyn Observer,
    ) -> Result<(), RunError> {
        if self.ready_timeout.is_zero() {
            return Ok(());
        }
        let began = clock.now();
        let deadline = began.saturating_add(self.ready_timeout.into());
        observer.phase(Phase::ReadyCheck);
        let models = self.models();
        for target in targets {
            loop {
                let last = match self.try_one(target, &models.names[0], clock).await {
                    Ok(Outcome::Completed(_)) => break,
                    Ok(Outcome::Failed(failure)) => failure,
                    Ok(Outcome::HungUp(_)) => Failure::Cancelled,
                    Err(error) if error.is_lasting() => return Err(error),
                    Err(RunError::Unreachable(error)) => error.into(),
                    Err(other) => return Err(other),
                };
                let stopped = || RunError::Stopped {
                    url: target.url().to_owned(),
                };
                if self.stop.is_stopped() {
                    return Err(stopped());
                }
                let now = clock.now();
                if now >= deadline || refuses_the_key(&last) {
                    return Err(RunError::NotReady {
                        url: target.url().to_owned(),
                        seconds: now.since(began).as_secs_f64(),
                        last,
                    });
                }
                tokio::select! {
                    () = tokio::time::sleep(READY_PAUSE) => {}
                    () = self.stop.stopped() => return Err(stopped()),
                }
            }
        }
        Ok(())
    }

    /// Finds out the model if none was named, and whether every server knows those that were.
    pub(crate) async fn settle_models(
        &mut self,
        targets: &[Target],
        asker: &Asker,
        clock: Clock,
    ) -> Result<Vec<String>, RunError> {
        let mut notes = Vec::new();
        for target in targets {
            let listed = asker.list_models(target).await;
            if self.request.model.is_empty() {
                self.request.model = first_model(listed)?;
                continue;
            }
            let served = match listed {
                Ok(served) if served.is_empty() => continue,
                Ok(served) => served,
                Err(error @ RunError::Unreachable(_)) => return Err(error),
                // Not every server lists its models; those that do not are taken at their
                // word.
                Err(_) => continue,
            };
            for model in self.models().names {
                if served.contains(&model) {
                    continue;
                }
                match self.try_one(target, &model, clock).await? {
                    Outcome::Completed(_) => notes.push(format!(
                        "the server answers requests for `{model}` although it lists only: {}",
                        served.join(", ")
                    )),
                    Outcome::Failed(answer) => {
                        return Err(without_answer(target.url(), model, answer, served));
                    }
                    Outcome::HungUp(_) => {
                        let answer = Failure::Cancelled;
                        return Err(without_answer(target.url(), model, answer, served));
                    }
                }
            }
        }
        Ok(notes)
    }
}

fn refuses_the_key(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Status {
            code: 401 | 403,
            ..
        }
    )
}

/// Why a request for a `model` that is not among those `served` failed.
fn without_answer(url: &str, model: String, failure: Failure, served: Vec<String>) -> RunError {
    let url = url.to_owned();
    match failure {
        Failure::Cancelled => RunError::Stopped { url },
        refused if refuses_the_key(&refused) => RunError::Control {
            url,
            answer: refused.to_string(),
            cure: WRONG_KEY,
        },
        Failure::Status { code: 429, .. } => RunError::Untried {
            url,
            model,
            failure,
        },
        Failure::Status {
            code: 400..=499, ..
        }
        | Failure::Server(_) => RunError::UnknownModel {
            model,
            answer: failure,
            served,
        },
        failure => RunError::Untried {
            url,
            model,
            failure,
        },
    }
}

/// The first of the models a server lists.
pub(crate) fn first_model(listed: Result<Vec<String>, RunError>) -> Result<String, RunError> {
    listed?.into_iter().next().ok_or(RunError::NoModelList {
        reason: "/v1/models lists none".into(),
    })
}

/// Asks a server which model it serves.
#[cfg(feature = "cli")]
pub(crate) async fn discover(
    target: &Target,
    request: &crate::RequestOptions,
    backend: &dyn Backend,
) -> Result<String, RunError> {
    let asker = Asker::new(request, backend, std::slice::from_ref(target));
    first_model(asker.list_models(target).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(failure: Failure) -> RunError {
        without_answer("http://a", "m".to_owned(), failure, vec!["n".to_owned()])
    }

    fn status(code: u16) -> RunError {
        let body = "no".to_owned();
        told(Failure::Status { code, body })
    }

    #[test]
    fn not_every_failure_says_that_a_model_is_not_there() {
        for error in [
            status(404),
            status(400),
            told(Failure::Server("no".to_owned())),
        ] {
            assert!(matches!(error, RunError::UnknownModel { .. }), "{error}");
        }
        for error in [status(503), status(429), told(Failure::NoTokens)] {
            assert!(matches!(error, RunError::Untried { .. }), "{error}");
        }
        for error in [status(401), status(403)] {
            assert!(matches!(error, RunError::Control { .. }), "{error}");
            assert!(error.to_string().contains("--api-key"), "{error}");
        }
        let stopped = told(Failure::Cancelled);
        assert!(matches!(stopped, RunError::Stopped { .. }), "{stopped}");
    }
}
