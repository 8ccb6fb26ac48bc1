//! How long the `random` dataset takes for a thousand prompts of 1,024 tokens on one thread.

use std::hint::black_box;

use bench_datasets::{Dataset, Random, SampleContext, Tokenizer};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const PROMPTS: usize = 1_000;

fn random(c: &mut Criterion) {
    let tokenizer = Tokenizer::load("builtin").expect("the built-in tokenizer loads");
    let options = Random::default();
    let mut cx = SampleContext::new(PROMPTS, 0);
    cx.tokenizer = Some(&tokenizer);
    cx.threads = 1;

    let mut group = c.benchmark_group("random");
    group.throughput(Throughput::Elements(
        PROMPTS as u64 * u64::from(options.random_input_len),
    ));
    group.sample_size(10);
    for (name, prompt_token_ids) in [("text", false), ("token_ids", true)] {
        cx.prompt_token_ids = prompt_token_ids;
        group.bench_function(name, |b| {
            b.iter(|| black_box(options.sample(&cx).expect("the dataset is made")));
        });
    }
    group.finish();
}

criterion_group!(benches, random);
criterion_main!(benches);
