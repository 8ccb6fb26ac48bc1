//! Writes a trace of Poisson arrivals, to replay at a high rate.
//!
//! ```text
//! cargo run --release -p bench-datasets --example make_trace -- RATE SECONDS [SEED] > trace.jsonl
//! bench-serve --sim --dataset-name replay --dataset-path trace.jsonl --num-prompts N --save-result
//! ```
//!
//! The trace has `RATE` requests a second on average, for `SECONDS`: prompts of 8 to 64 tokens with
//! answers of 1 to 16. The same arguments give the same trace. How late the requests of a run left
//! against it is `bench.self_audit.lateness` in the result.

use std::env::args;
use std::error::Error;
use std::io::{BufWriter, Write, stdout};

use bench_datasets::TraceLine;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

fn main() -> Result<(), Box<dyn Error>> {
    let argument = |place| args().nth(place);
    let (Some(rate), Some(seconds)) = (argument(1), argument(2)) else {
        return Err("give RATE (requests a second) and SECONDS".into());
    };
    let (rate, seconds): (f64, f64) = (rate.parse()?, seconds.parse()?);
    let seed = argument(3).map_or(Ok(0), |seed| seed.parse())?;
    if !(rate > 0.0 && seconds > 0.0) {
        return Err("RATE and SECONDS have to be above 0".into());
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut out = BufWriter::new(stdout().lock());
    let mut at = 0.0;
    while at < seconds {
        let line = TraceLine {
            at: Some(at),
            input_tokens: Some(8 + rng.next_u32() % 57),
            output_tokens: 1 + rng.next_u32() % 16,
            ..TraceLine::default()
        };
        serde_json::to_writer(&mut out, &line)?;
        out.write_all(b"\n")?;
        // A float in 0..1, and the gap of a Poisson process for it.
        let uniform = f64::from(rng.next_u32()) / (f64::from(u32::MAX) + 1.0);
        at -= (1.0 - uniform).ln() / rate;
    }
    out.flush()?;
    Ok(())
}
