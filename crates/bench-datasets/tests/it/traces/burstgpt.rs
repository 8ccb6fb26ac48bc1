use std::collections::HashSet;
use std::fmt::Write;

use bench_datasets::{BurstGpt, Dataset, TraceOptions, dataset_hash};

use super::{arrivals, at, exact, lengths};
use crate::{builtin, failure, file, text, token_ids};

const TRACE: &str = "\
Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
5,ChatGPT,12,0,12,Conversation log
45.5,GPT-4,30,7,37,Conversation log
15,ChatGPT,20,9,29,API log
45.5,ChatGPT,1,3,4,API log
";

fn of_model(model: &str) -> BurstGpt {
    BurstGpt {
        burstgpt_model: Some(model.to_owned()),
        ..BurstGpt::default()
    }
}

fn lengths_only() -> BurstGpt {
    BurstGpt {
        burstgpt_lengths_only: true,
        burstgpt_model: None,
    }
}

#[test]
fn rows_arrive_when_the_file_says_with_prompts_as_long_as_it_says() {
    let (tokenizer, path) = (builtin(), file(TRACE));
    let mut cx = at(&tokenizer, &path, 10);
    let made = exact(&BurstGpt::default(), &cx);
    // The row that failed is not sent, and the trace begins with it all the same.
    assert_eq!(arrivals(&made), [10.0, 40.5, 40.5]);
    assert_eq!(lengths(&made), [(20, 9), (30, 7), (1, 3)]);

    cx.prompt_token_ids = true;
    let ids = exact(&BurstGpt::default(), &cx);
    assert_eq!(lengths(&ids), lengths(&made));
    for (ids, made) in ids.iter().zip(&made) {
        assert_eq!(tokenizer.encode(text(made)).unwrap(), token_ids(ids));
    }
    let one = exact(&of_model("GPT-4"), &cx);
    assert_eq!((arrivals(&one), lengths(&one)), (vec![40.5], vec![(30, 7)]));
}

#[test]
fn the_arrivals_of_a_long_trace_are_those_of_the_file() {
    let mut csv = "Timestamp,Model,Request tokens,Response tokens\n".to_owned();
    let mut seconds = Vec::new();
    for row in 0..2_000_u32 {
        // Bursts of ten, and an hour without any.
        let time = f64::from(row / 10) * 0.7 + f64::from(row % 10) * 0.001;
        let time = if row >= 1_000 { time + 3_600.0 } else { time };
        seconds.push(time);
        writeln!(csv, "{time},GPT-4,{},{}", 1 + row % 7, 1 + row % 5).unwrap();
    }
    let (tokenizer, path) = (builtin(), file(&csv));
    let mut cx = at(&tokenizer, &path, 5_000);
    let made = BurstGpt::default().sample(&cx).unwrap();
    assert_eq!(made.len(), 2_000);
    for (made, recorded) in arrivals(&made).iter().zip(&seconds) {
        assert!((made - recorded).abs() < 1e-9, "{made} {recorded}");
    }
    let mean = |of: fn((u32, u32)) -> u32| {
        let total: u32 = lengths(&made).into_iter().map(of).sum();
        f64::from(total) / 2_000.0
    };
    assert!((mean(|(input, _)| input) - 4.0).abs() < 0.01);
    assert!((mean(|(_, output)| output) - 3.0).abs() < 1e-9);

    cx.trace = TraceOptions {
        trace_speedup: 2.0,
        trace_start: 3_000.0,
        ..TraceOptions::default()
    };
    let late = BurstGpt::default().sample(&cx).unwrap();
    assert_eq!(late.len(), 1_000);
    assert!((late[0].arrival.unwrap().as_secs_f64() - (670.0) / 2.0).abs() < 1e-9);
}

#[test]
fn lengths_only_draws_as_vllm_does() {
    let mut csv = TRACE.to_owned();
    for row in 0..50 {
        writeln!(csv, "{row},GPT-4,{},{},0,API log", row + 1, row % 2).unwrap();
    }
    let (tokenizer, path) = (builtin(), file(&csv));
    // 25 with an answer, and the one above.
    let mut cx = at(&tokenizer, &path, 26);
    let made = exact(&lengths_only(), &cx);
    assert!(made.iter().all(|one| one.arrival.is_none()));
    let different: HashSet<(u32, u32)> = lengths(&made).into_iter().collect();
    assert_eq!(different.len(), 26);
    assert!(different.iter().all(|(_, output)| *output > 0));

    // Too few: drawn with replacement, with prompts of their own.
    cx.num_prompts = 100;
    let made = exact(&lengths_only(), &cx);
    assert_eq!(made.len(), 100);
    let texts: HashSet<&str> = made
        .iter()
        .map(text)
        .filter(|text| text.len() > 60)
        .collect();
    let long = made.iter().filter(|one| text(one).len() > 60).count();
    assert!(long > 50);
    assert_eq!(texts.len(), long);
    let first: HashSet<(u32, u32)> = lengths(&made[..26]).into_iter().collect();
    assert!(first.len() < 26);

    cx.no_oversample = true;
    assert_eq!(lengths_only().sample(&cx).unwrap().len(), 26);
    cx.no_oversample = false;
    cx.disable_shuffle = true;
    let in_order = lengths(&lengths_only().sample(&cx).unwrap());
    assert_eq!(in_order[..3], [(30, 7), (2, 1), (4, 1)]);
    assert_eq!(in_order[26..29], in_order[..3]);
}

#[test]
fn one_seed_is_one_dataset() {
    let (tokenizer, path) = (builtin(), file(TRACE));
    let mut cx = at(&tokenizer, &path, 10);
    let hash = |cx: &_| dataset_hash(&BurstGpt::default().sample(cx).unwrap());
    assert_eq!(hash(&cx), "b93e4248d8296f372e9fc14251696380");
    cx.threads = 3;
    assert_eq!(hash(&cx), "b93e4248d8296f372e9fc14251696380");
    cx.seed = 1;
    let other_seed = hash(&cx);
    cx.nonce = Some(7);
    assert_eq!(
        HashSet::from([
            hash(&cx),
            other_seed,
            "b93e4248d8296f372e9fc14251696380".to_owned()
        ])
        .len(),
        3
    );
}

#[test]
fn a_loop_has_new_prompts_unless_they_are_fixed() {
    let (tokenizer, path) = (builtin(), file(TRACE));
    let mut cx = at(&tokenizer, &path, 10);
    cx.trace.trace_loop = 2;
    cx.trace.trace_duration = Some(60.0);
    let fixed = exact(&BurstGpt::default(), &cx);
    assert_eq!(arrivals(&fixed), [10.0, 40.5, 40.5, 70.0, 100.5, 100.5]);
    assert_eq!(text(&fixed[0]), text(&fixed[3]));
    cx.nonce = Some(1);
    let new = exact(&BurstGpt::default(), &cx);
    assert_eq!(lengths(&new), lengths(&fixed));
    assert_ne!(text(&new[0]), text(&new[3]));
    assert_ne!(text(&new[0]), text(&fixed[0]));
}

#[test]
fn errors_name_the_line() {
    let tokenizer = builtin();
    let broken = [
        (
            "Timestamp,Model,Request tokens\n1,a,2\n",
            ":1: entry 0: the header has no column `Response",
        ),
        (
            "Timestamp,Model,Request tokens,Response tokens\n1,a,2,3\nx,a,2,3\n",
            ":3: entry 2: `x` is no time",
        ),
        (
            "Timestamp,Model,Request tokens,Response tokens\n1,a,2,3\r\n\r\n1,a,2.5,3\n",
            ":4: entry 2: `2.5` is no number of tokens (Request tokens)",
        ),
        (
            "Timestamp,Model,Request tokens,Response tokens\n1,a,2\n",
            ":2: entry 1: it has 3 fields, and the header has 4",
        ),
        (
            "Timestamp,Model,Request tokens,Response tokens\n1,a,2,0\n",
            "none of the 1 entries can be used",
        ),
    ];
    for (csv, expected) in broken {
        let path = file(csv);
        let message = failure(&BurstGpt::default(), &at(&tokenizer, &path, 5));
        assert!(message.contains(expected), "{message}");
        assert!(
            message.starts_with(&path.display().to_string()),
            "{message}"
        );
    }
    let path = file(TRACE);
    let mut cx = at(&tokenizer, &path, 5);
    assert!(failure(&of_model("GPT-5"), &cx).contains("none of the 4 entries"));
    cx.tokenizer = None;
    assert!(failure(&BurstGpt::default(), &cx).contains("needs a tokenizer to make prompts"));
    cx.dataset_path = None;
    assert!(failure(&BurstGpt::default(), &cx).contains("--dataset-path"));
}
