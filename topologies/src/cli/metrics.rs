//! What the process shows Prometheus: its tasks, its memory by part, its Kafka clients, and the process as the system sees it.
//!
//! A registry is made for each scrape and filled from what the application reports: nothing is counted twice, and nothing
//! runs where records pass.

use std::time::Duration;

use anyhow::Result;
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};
use straum::log::kafka::ClientStatistics;
use straum::runtime::{ChangelogProgress, State, Streams, TaskReport, TaskRole};
use straum::state::MemoryPart;

const PARTS: [(MemoryPart, &str); 5] = [
    (MemoryPart::BlockCache, "block_cache"),
    (MemoryPart::WriteBuffers, "write_buffers"),
    (MemoryPart::Overlays, "overlays"),
    (MemoryPart::Queues, "queues"),
    (MemoryPart::Clients, "clients"),
];

/// The exposition of an application, in Prometheus' text format.
pub(super) fn text(streams: &Streams, clients: &[ClientStatistics]) -> Result<String> {
    let registry = Registry::new();
    registry.register(Box::new(ProcessCollector::for_self()))?;
    one(&registry, "straum_running", "1 when every thread processes", i64::from(streams.state() == State::Running))?;
    one(&registry, "straum_commits", "Commits since the start", number(streams.commits()))?;
    one(&registry, "straum_troubles", "Threads that rolled back and have not committed since, or hang", number(streams.troubles().len() as u64))?;
    let tasks = streams.tasks();
    let figures: [(&str, &str, fn(&TaskReport) -> i64); 6] = [
        ("straum_task_processed_records", "Records processed since the task was opened", |task| number(task.processed)),
        ("straum_task_dropped_records", "Records that operators left out by rule", |task| number(task.dropped)),
        ("straum_task_buffered_records", "Records that wait in the task's queues", |task| number(task.buffered as u64)),
        ("straum_task_buffered_bytes", "Bytes that wait in the task's queues", |task| number(task.buffered_bytes as u64)),
        ("straum_task_stream_time_ms", "The largest timestamp taken for processing, -1 before the first", |task| task.stream_time),
        ("straum_task_failing", "1 when the task retries or has paused", |task| i64::from(task.failing.is_some())),
    ];
    for (name, help, figure) in figures {
        many(&registry, name, help, &["task"], tasks.iter().map(|task| (vec![task.id.to_string()], figure(task))))?;
    }
    let changelogs = streams.changelogs();
    let figures: [(&str, &str, fn(&ChangelogProgress) -> i64); 2] = [
        ("straum_changelog_lag_records", "Offsets between a state that is restored or copied and its changelog's end", |of| of.end - of.position),
        ("straum_changelog_read_bytes", "Bytes of a changelog read since its reading began", |of| number(of.bytes)),
    ];
    for (name, help, figure) in figures {
        let labels = |of: &ChangelogProgress| vec![of.task.to_string(), of.store.to_string(), role(of.role).to_owned()];
        many(&registry, name, help, &["task", "store", "role"], changelogs.iter().map(|of| (labels(of), figure(of))))?;
    }
    let memory = streams.memory();
    let parts = PARTS.iter().map(|(part, name)| (vec![(*name).to_owned()], number(memory.used(*part))));
    many(&registry, "straum_memory_bytes", "Bytes charged to the budget, by part", &["part"], parts)?;
    one(&registry, "straum_memory_limit_bytes", "The budget of the process", number(memory.limit()))?;
    let figures: [(&str, &str, fn(&ClientStatistics) -> i64); 8] = [
        ("straum_client_requests", "Requests sent to brokers since the client was made", |client| number(client.requests)),
        ("straum_client_sent_bytes", "Bytes sent to brokers", |client| number(client.bytes_sent)),
        ("straum_client_received_bytes", "Bytes received from brokers", |client| number(client.bytes_received)),
        ("straum_client_records", "Records written, or read", |client| number(client.records)),
        ("straum_client_queued_records", "Records that wait to be sent, or to be taken", |client| number(client.queued_records)),
        ("straum_client_queued_bytes", "Bytes of those", |client| number(client.queued_bytes)),
        ("straum_client_brokers_up", "Brokers it has a connection to", |client| number(client.brokers_up)),
        ("straum_client_round_trip_us", "The slowest broker's 99th percentile of answers", |client| microseconds(client.round_trip)),
    ];
    for (name, help, figure) in figures {
        let labels = |client: &ClientStatistics| vec![client.client_id.clone(), client.kind.clone()];
        many(&registry, name, help, &["client", "kind"], clients.iter().map(|client| (labels(client), figure(client))))?;
    }
    Ok(TextEncoder::new().encode_to_string(&registry.gather())?)
}

fn role(role: TaskRole) -> &'static str {
    match role {
        TaskRole::Active => "active",
        TaskRole::Standby => "standby",
    }
}

fn microseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn one(registry: &Registry, name: &str, help: &str, value: i64) -> Result<()> {
    let gauge = IntGauge::new(name, help)?;
    gauge.set(value);
    register(registry, gauge)
}

fn many(registry: &Registry, name: &str, help: &str, labels: &[&str], rows: impl Iterator<Item = (Vec<String>, i64)>) -> Result<()> {
    let gauges = IntGaugeVec::new(Opts::new(name, help), labels)?;
    for (row, value) in rows {
        gauges.with_label_values(&row).set(value);
    }
    register(registry, gauges)
}

fn register(registry: &Registry, collector: impl Collector + 'static) -> Result<()> {
    Ok(registry.register(Box::new(collector))?)
}
