//! `straum run` on a Kafka cluster: a process that answers from its first moment, says what it waits for, and ends in time.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use straum::log::kafka::{KafkaLog, KafkaOptions};
use straum::log::{LogError, LogErrorKind};
use straum::runtime::State;
use tokio::sync::Notify;

use super::application::Application;
use super::data_folder::DataFolder;
use super::{output, server};

/// A supervisor kills what has not ended 30 s after its signal.
const CLOSING: Duration = Duration::from_secs(24);

/// How long it takes at most until access rules of a deployment are everywhere.
const AUTHORISATION: Duration = Duration::from_secs(120);

/// How often it is looked at what the application waits for.
const LOOK: Duration = Duration::from_millis(200);

/// How often the clients report on themselves for the metrics, unless `statistics.interval.ms` says otherwise: as often as metrics are
/// usually scraped.
const STATISTICS_INTERVAL_MS: &str = "15000";

/// Connects. Just after a deployment a broker may not answer or not let in yet: that is tried again for a while.
pub(super) fn connect(mut options: KafkaOptions) -> Result<Arc<KafkaLog>> {
    options.settings.entry("statistics.interval.ms".to_owned()).or_insert_with(|| STATISTICS_INTERVAL_MS.to_owned());
    let deadline = Instant::now() + AUTHORISATION;
    let mut told = false;
    loop {
        let error = match KafkaLog::connect(options.clone()) {
            Ok(log) => return Ok(Arc::new(log)),
            Err(error) => error,
        };
        if !passes(&error) || Instant::now() > deadline {
            return Err(error).with_context(|| format!("cannot use Kafka at {}", options.bootstrap_servers));
        }
        if !std::mem::replace(&mut told, true) {
            eprintln!("waits for Kafka at {}: {error}", options.bootstrap_servers);
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn passes(error: &LogError) -> bool {
    matches!(error.kind(), LogErrorKind::Retriable | LogErrorKind::Unauthorized)
}

/// Starts the application and serves until told to end; then commits and closes. Its members stay in the group: a process that
/// is back within the session time-out has its tasks again.
pub(super) fn run(application: Application, folder: &DataFolder, address: (IpAddr, u16), ready: impl FnOnce(SocketAddr) -> Result<()>) -> Result<()> {
    let application = Arc::new(application);
    let runtime = tokio::runtime::Runtime::new().context("cannot start the threads of the API")?;
    let (stop, over) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
    let (tell, ended) = channel();
    let (watched, stopping, ends) = (Arc::clone(&application), Arc::clone(&stop), Arc::clone(&over));
    let watcher = move || {
        let outcome = start(&watched, &stopping).and_then(|()| watch(&watched, &stopping));
        // It is listened to once the API has ended.
        let _ = tell.send(outcome);
        ends.notify_one();
    };
    std::thread::Builder::new().name("straum-watch".to_owned()).spawn(watcher).context("cannot start a thread")?;
    let served = runtime.block_on(server::serve(Arc::clone(&application), folder, address, over, ready));
    stop.store(true, Ordering::Release);
    runtime.shutdown_timeout(Duration::from_secs(2));
    let started = application.is_started();
    let closed = close(application);
    // One that has not started waits for topics or fills its global stores: it has nothing to commit.
    let watched = ended.recv_timeout(if started { Duration::from_secs(1) } else { Duration::ZERO }).unwrap_or(Ok(()));
    served.and(watched).and(if started { closed } else { Ok(()) })
}

/// Starts it once the topics of its global stores are there: these it reads whole before anything else.
fn start(application: &Application, stop: &AtomicBool) -> Result<()> {
    let mut told = false;
    loop {
        let missing = missing(application, application.definition.global_topics())?;
        if missing.is_empty() {
            break;
        }
        if !std::mem::replace(&mut told, true) {
            say_how(&missing);
        }
        if stop.load(Ordering::Acquire) {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
    application.note_ends()?;
    application.start()
}

/// Says what it waits for, each thing once, until it is told to stop or has ended by itself.
fn watch(application: &Application, stop: &AtomicBool) -> Result<()> {
    let mut said: BTreeSet<String> = BTreeSet::new();
    let mut running = false;
    while !stop.load(Ordering::Acquire) {
        let streams = application.streams.read();
        let (state, notices, errors, tasks) = (streams.state(), streams.notices(), streams.errors(), streams.tasks().len());
        drop(streams);
        match state {
            State::Error => bail!("every thread has ended: {}; what is committed is kept", errors.join("; ")),
            State::Running if !running => output::line(format_args!("running with {tasks} tasks"))?,
            _ => {}
        }
        running = state == State::Running;
        for notice in notices.into_iter().filter(|_| !running) {
            if said.insert(notice.clone()) {
                eprintln!("waits: {notice}");
                let sources: Vec<_> = application.topology.source_topics();
                let sources: Vec<&str> = sources.iter().map(|topic| &**topic).collect();
                say_how(&missing(application, &sources).unwrap_or_default());
            }
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Which of these topics are not there, and the command that makes each.
fn missing(application: &Application, topics: &[&str]) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    for topic in topics {
        if application.place.log().partitions(topic)?.is_none() {
            let declared = application.definition.topics().into_iter().find(|declared| declared.name == *topic);
            let partitions = declared.as_ref().map_or(1, |declared| declared.partitions);
            let config: String =
                declared.iter().flat_map(|declared| declared.config).map(|(name, value)| format!(" --config {name}={value}")).collect();
            missing.push(format!(
                "topic {topic} is missing; make it: kafka-topics --create --topic {topic} --partitions {partitions}{config} --bootstrap-server …"
            ));
        }
    }
    Ok(missing)
}

fn say_how(missing: &[String]) {
    missing.iter().for_each(|line| eprintln!("waits: {line}"));
}

/// Closes within the time that a supervisor gives.
fn close(application: Arc<Application>) -> Result<()> {
    let (tell, closed) = channel();
    let limit = if application.is_started() { CLOSING } else { Duration::from_secs(1) };
    let closing = move || {
        // Nobody listens when it took too long.
        let _ = tell.send(application.close());
    };
    std::thread::Builder::new().name("straum-close".to_owned()).spawn(closing).context("cannot start a thread")?;
    match closed.recv_timeout(limit) {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Timeout) => bail!("not closed within {} s: what is not committed is processed again", limit.as_secs()),
        Err(RecvTimeoutError::Disconnected) => bail!("closing has failed"),
    }
}
