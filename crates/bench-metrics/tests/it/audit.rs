use bench_metrics::{LimitReason, SelfAudit};
use bench_types::MarkKind::Text;
use bench_types::{LagSummary, Nanos, ReceiveClock, RequestRecord, RunFacts, WorkerFacts};

use crate::make::{facts, record};

/// Twenty requests that left 10 us after they were due.
fn punctual() -> (Vec<RequestRecord>, RunFacts) {
    let punctual = |id| {
        let mut made = record(id, &[(50, Text, 1)]);
        made.timeline.scheduled = Nanos::from_millis(id);
        made.timeline.released = Nanos::ZERO;
        made.timeline.sent = Some(Nanos::from_millis(id) + Nanos::from_micros(10));
        made.receive.kernel = 10;
        made
    };
    let records: Vec<RequestRecord> = (0..20).map(punctual).collect();
    let mut facts = facts(&records);
    facts.workers = vec![worker(0.3, 1_000)];
    (records, facts)
}

fn worker(share: f64, ms: u64) -> WorkerFacts {
    WorkerFacts {
        requests: 20,
        cpu: Nanos::from_secs_f64(share * ms as f64 / 1e3),
        wall: Nanos::from_millis(ms),
        peak_connections: 7,
    }
}

fn reasons(records: &[RequestRecord], facts: &RunFacts) -> Vec<LimitReason> {
    let audit = SelfAudit::of(records, facts);
    assert_eq!(audit.client_limited, Some(!audit.reasons.is_empty()));
    audit.reasons
}

#[test]
fn a_punctual_idle_client_was_not_the_limit() {
    let (records, facts) = punctual();
    let audit = SelfAudit::of(&records, &facts);
    assert_eq!(audit.client_limited, Some(false));
    assert_eq!(audit.lateness.max, Nanos::from_micros(10));
    assert_eq!(audit.own_lateness, audit.lateness);
    assert_eq!(audit.receive_clock, ReceiveClock::Kernel);
    assert_eq!(audit.kernel_reads, 200);
    assert_eq!(audit.peak_connections, Some(7));
}

#[test]
fn percentiles_of_lateness_are_samples() {
    let (mut records, facts) = punctual();
    records[3].timeline.sent = Some(Nanos::from_millis(3) + Nanos::from_micros(500));
    let lateness = SelfAudit::of(&records, &facts).lateness;
    assert_eq!(lateness.count, 20);
    assert_eq!(lateness.p50, Nanos::from_micros(10));
    assert_eq!(lateness.p99, Nanos::from_micros(500));
}

#[test]
fn waiting_for_a_slot_or_a_connection_is_not_the_clients_fault() {
    let (mut records, facts) = punctual();
    records[0].timeline.sent = Some(Nanos::from_millis(40));
    assert!(matches!(
        reasons(&records, &facts)[..],
        [LimitReason::LateSends { .. }]
    ));
    records[0].timeline.released = Nanos::from_millis(40);
    assert!(reasons(&records, &facts).is_empty());
    records[0].timeline.released = Nanos::ZERO;
    records[0].timeline.connected = Some(Nanos::from_millis(40));
    assert!(reasons(&records, &facts).is_empty());
    assert_eq!(
        SelfAudit::of(&records, &facts).lateness.max,
        Nanos::from_millis(40)
    );
}

#[test]
fn without_a_rate_nothing_is_late() {
    let (mut records, mut facts) = punctual();
    records[0].timeline.sent = Some(Nanos::from_millis(40));
    facts.unpaced = true;
    assert!(reasons(&records, &facts).is_empty());
}

#[test]
fn a_busy_worker_is_the_limit_unless_the_run_is_too_short_to_tell() {
    let (records, mut facts) = punctual();
    facts.workers.push(worker(0.95, 1_000));
    let limited = reasons(&records, &facts);
    assert!(
        matches!(limited[..], [LimitReason::WorkerBusy { worker: 1, .. }]),
        "{limited:?}"
    );
    facts.workers = vec![worker(0.95, 50)];
    assert!(reasons(&records, &facts).is_empty());
}

#[test]
fn user_space_stamps_of_a_busy_or_late_worker_are_suspect() {
    let (mut records, mut facts) = punctual();
    facts.workers = vec![worker(0.7, 1_000)];
    assert!(reasons(&records, &facts).is_empty());
    records[0].receive.user = 1;
    assert!(matches!(
        reasons(&records, &facts)[..],
        [LimitReason::BusyUserClock { .. }]
    ));
    assert_eq!(
        SelfAudit::of(&records, &facts).receive_clock,
        ReceiveClock::Mixed
    );
    facts.workers = vec![worker(0.3, 1_000)];
    facts.read_lag = LagSummary {
        count: 200,
        p50: Nanos::from_micros(100),
        p99: Nanos::from_millis(3),
        max: Nanos::from_millis(4),
    };
    let limited = reasons(&records, &facts);
    assert!(
        matches!(limited[..], [LimitReason::LateReads { user_reads: 1, .. }]),
        "{limited:?}"
    );
}

#[test]
fn late_reads_matter_under_the_kernels_clock_only_if_they_merge_chunks() {
    let (mut records, mut facts) = punctual();
    facts.read_lag.p99 = Nanos::from_millis(3);
    assert!(reasons(&records, &facts).is_empty());
    records[0].receive.merged = 9;
    let limited = reasons(&records, &facts);
    assert!(
        matches!(limited[..], [LimitReason::MergedReads { .. }]),
        "{limited:?}"
    );
    let text = limited[0].to_string();
    assert!(
        text.starts_with("4.5 % of the reads brought several chunks"),
        "{text}"
    );
}

#[test]
fn without_facts_of_the_workers_only_a_limit_can_be_proved() {
    let (mut records, mut facts) = punctual();
    facts.workers.clear();
    let audit = SelfAudit::of(&records, &facts);
    assert_eq!(audit.client_limited, None);
    let json = serde_json::to_value(&audit).expect("serializable");
    assert!(json["client_limited"].is_null());
    for lost in ["peak_connections", "clock_steps"] {
        assert_eq!(json.get(lost), None, "{lost}");
    }
    assert_eq!(
        serde_json::from_value::<SelfAudit>(json).expect("readable"),
        audit
    );
    records[0].timeline.sent = Some(Nanos::from_millis(40));
    let limited = reasons(&records, &facts);
    assert!(
        matches!(limited[..], [LimitReason::LateSends { .. }]),
        "{limited:?}"
    );
}

#[test]
fn an_audit_survives_json() {
    let (mut records, mut facts) = punctual();
    facts.workers = vec![worker(0.95, 1_000)];
    records[0].receive.user = 1;
    let audit = SelfAudit::of(&records, &facts);
    let text = serde_json::to_string(&audit).expect("serializable");
    assert_eq!(
        serde_json::from_str::<SelfAudit>(&text).expect("readable"),
        audit
    );
}
