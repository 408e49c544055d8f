//! An instance: a process that runs the topology, does as it is told on standard input, and shows what it does in its status
//! file.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use straum::ErrorKind;
use straum::log::kafka::{KafkaLog, KafkaOptions};
use straum::runtime::{Probe, ProbePoint, ProcessingGuarantee, SeededFault, State, Streams, StreamsConfig, StreamsOptions, TaskRole};

use crate::soak::status::{Writer, slot};
use crate::soak::topology::{ARRIVALS, COUNTS, PARTITIONS, topology};

/// A place to be killed or held at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum Point {
    /// After a record has passed the topology.
    MidRecord,
    /// While state goes to the changelog.
    MidChangelog,
    /// When outputs and changelogs are sent, and offsets are not.
    BeforeOffsets,
    /// When all is sent and nothing committed.
    BeforeCommit,
    /// When all is committed and nothing applied.
    BetweenCommitAndApply,
    /// While state comes from the changelog.
    MidRestore,
}

impl Point {
    fn is(self, point: ProbePoint) -> bool {
        matches!(
            (self, point),
            (Self::MidRecord, ProbePoint::MidRecord)
                | (Self::MidChangelog, ProbePoint::MidChangelog)
                | (Self::BeforeOffsets, ProbePoint::BeforeOffsets)
                | (Self::BeforeCommit, ProbePoint::BeforeCommit)
                | (Self::BetweenCommitAndApply, ProbePoint::BetweenCommitAndApply)
                | (Self::MidRestore, ProbePoint::MidRestore)
        )
    }
}

/// A mistake for the engine to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// Offsets are sent in nobody's name: the short constructor of group metadata.
    ShortGroupMetadata,
    /// Rows reach the stores before the commit.
    ApplyBeforeCommit,
    /// Offsets are left out of the transaction.
    CommitWithoutOffsets,
    /// A member that was given up joins again before its thread has aborted.
    RejoinBeforeAbort,
    /// A restore ends at the last stable offset.
    RestoreToLastStableOffset,
    /// Committed offsets are not waited for until they are stable.
    UnstableOffsets,
}

impl Fault {
    const fn seeded(self) -> SeededFault {
        match self {
            Self::ShortGroupMetadata => SeededFault::UnfencedOffsets,
            Self::ApplyBeforeCommit => SeededFault::ApplyBeforeCommit,
            Self::CommitWithoutOffsets => SeededFault::CommitWithoutOffsets,
            Self::RejoinBeforeAbort => SeededFault::RejoinBeforeAbort,
            Self::RestoreToLastStableOffset => SeededFault::RestoreToLastStableOffset,
            Self::UnstableOffsets => SeededFault::UnstableOffsets,
        }
    }
}

/// What a failure may leave behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Guarantee {
    /// Every input counts once.
    #[default]
    ExactlyOnce,
    /// Every input counts.
    AtLeastOnce,
}

/// How an instance runs.
#[derive(Clone, Debug, Args)]
pub struct InstanceArgs {
    /// Where it finds the broker.
    #[arg(long)]
    pub bootstrap: String,
    /// The application id.
    #[arg(long)]
    pub application: String,
    /// Its folder.
    #[arg(long)]
    pub dir: PathBuf,
    /// Its stream threads.
    #[arg(long, default_value_t = 2)]
    pub threads: usize,
    /// How long the broker keeps a transaction that does not end, in milliseconds.
    #[arg(long, default_value_t = 10_000)]
    pub transaction_timeout: u64,
    /// What a failure may leave behind.
    #[arg(long, default_value = "exactly-once")]
    pub guarantee: Guarantee,
    /// A mistake to make.
    #[arg(long)]
    pub fault: Option<Fault>,
    /// Die the first time that this point is reached.
    #[arg(long)]
    pub kill_at: Option<Point>,
}

/// What is to happen at the next probe point of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trap {
    None,
    Kill(Point),
    Hold(Point),
    /// A thread is held.
    Holding,
}

/// Where threads run into the trap, and wait in it.
#[derive(Debug)]
struct Traps {
    trap: Mutex<Trap>,
    changed: Condvar,
}

impl Traps {
    fn lock(&self) -> MutexGuard<'_, Trap> {
        self.trap.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, trap: Trap) {
        *self.lock() = trap;
        self.changed.notify_all();
    }

    fn reached(&self, point: ProbePoint) {
        let mut trap = self.lock();
        match *trap {
            Trap::Kill(at) if at.is(point) => kill_self(),
            Trap::Hold(at) if at.is(point) => {
                *trap = Trap::Holding;
                say("held");
                while *trap == Trap::Holding {
                    trap = self.changed.wait(trap).unwrap_or_else(PoisonError::into_inner);
                }
            }
            _ => {}
        }
    }
}

/// Runs it until it is told to end.
///
/// # Errors
/// When the application cannot run.
pub fn run(args: &InstanceArgs) -> anyhow::Result<()> {
    std::fs::create_dir_all(&args.dir)?;
    log_to_file(args)?;
    let status = Arc::new(Writer::open(&args.dir.join("status"))?);
    let traps = Arc::new(Traps { trap: Mutex::new(args.kill_at.map_or(Trap::None, Trap::Kill)), changed: Condvar::new() });
    let commands = listen();
    let log = Arc::new(KafkaLog::connect(log_options(args))?);
    let mut streams = Streams::new(&topology(&args.application)?, config(args), log, options(args, &traps, &status));
    streams.start()?;
    say("started");
    let mut told = Vec::new();
    loop {
        show(&streams, &status);
        complain(&streams, &mut told);
        if streams.state() == State::Error || !streams.errors().is_empty() {
            bail!("the application failed: {:?}", streams.errors());
        }
        let command = match commands.recv_timeout(Duration::from_millis(50)) {
            Ok(command) => command,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => continue,
            // The harness is gone, and nobody else ends this process.
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => kill_self(),
        };
        let (verb, point) = command.split_once(' ').unwrap_or((&command, ""));
        let point = || Point::from_str(point, true).map_err(anyhow::Error::msg);
        match verb {
            "kill" => traps.set(Trap::Kill(point()?)),
            "hold" => traps.set(Trap::Hold(point()?)),
            "go" => traps.set(Trap::None),
            "rows" => tell_rows(&streams)?,
            "states" => tell_states(&streams)?,
            "close" => return end(streams.close()),
            "leave" => return end(streams.close_and_leave()),
            other => bail!("command {other:?} is not known"),
        }
    }
}

fn end(closed: Result<(), straum::Error>) -> anyhow::Result<()> {
    closed?;
    say("closed");
    Ok(())
}

fn show(streams: &Streams, status: &Writer) {
    let bit = |task: straum::topology::TaskId| u64::from(task.subtopology) * u64::from(PARTITIONS) + u64::from(task.partition);
    let tasks = streams.tasks().iter().filter(|task| task.failing.is_none()).fold(0, |mask, task| mask | (1_u64 << bit(task.id).min(63)));
    let (running, idle) = (streams.state() == State::Running, streams.is_idle());
    status.update(|status| {
        (status.tasks, status.running, status.idle) = (tasks, running, idle);
        if running {
            status.restores_are_over();
        }
    });
}

/// Logs why tasks and threads do not go on: there is no personal id in it here.
fn complain(streams: &Streams, told: &mut Vec<String>) {
    let failing = streams.tasks().into_iter().filter_map(|task| Some(format!("task {} fails: {}", task.id, task.failing?)));
    let complaints: Vec<String> = failing.chain(streams.troubles()).chain(streams.notices()).collect();
    if complaints != *told {
        complaints.iter().filter(|complaint| !told.contains(complaint)).for_each(|complaint| tracing::warn!("{complaint}"));
        *told = complaints;
    }
}

/// Its rows; none while its tasks move: whoever asks finds some missing then, and asks again.
fn tell_rows(streams: &Streams) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    for store in [COUNTS, ARRIVALS] {
        let rows = match streams.store::<String, String>(store) {
            Err(error) if error.kind() == ErrorKind::InvalidState => break,
            store => store?.all()?,
        };
        for (key, value, _) in rows {
            writeln!(stdout, "row {store} {key} {value}")?;
        }
    }
    writeln!(stdout, "rows")?;
    Ok(stdout.flush()?)
}

/// Where the states of its active tasks are from, and how far its copies are.
fn tell_states(streams: &Streams) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    for copy in streams.changelogs().iter().filter(|changelog| changelog.role == TaskRole::Standby) {
        writeln!(stdout, "copy {} {} {}", copy.task, copy.position, copy.end)?;
    }
    for (task, restored) in streams.restored() {
        writeln!(stdout, "restored {task} {} {} {} {}", restored.from.unwrap_or(-1), restored.end, restored.records, restored.bytes)?;
    }
    writeln!(stdout, "states")?;
    Ok(stdout.flush()?)
}

fn say(what: &str) {
    let mut stdout = std::io::stdout().lock();
    // A harness that is gone hears nothing.
    let _ = writeln!(stdout, "{what}").and_then(|()| stdout.flush());
}

/// Lines of standard input; disconnected at its end.
fn listen() -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || std::io::stdin().lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    receiver
}

fn log_to_file(args: &InstanceArgs) -> anyhow::Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(args.dir.join("log")).context("cannot open the log")?;
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Mutex::new(file)).init();
    tracing::info!(pid = std::process::id(), "instance starts");
    Ok(())
}

fn log_options(args: &InstanceArgs) -> KafkaOptions {
    let mut options = KafkaOptions::new(args.bootstrap.as_str(), args.application.as_str());
    options.unstable_offsets = args.fault == Some(Fault::UnstableOffsets);
    options
}

fn config(args: &InstanceArgs) -> StreamsConfig {
    let mut config = StreamsConfig::new(args.application.as_str());
    config.state_dir = args.dir.join("state");
    config.num_stream_threads = args.threads;
    config.poll = Duration::from_millis(10);
    config.commit_interval = Duration::from_millis(200);
    config.transaction_timeout = Duration::from_millis(args.transaction_timeout);
    // Deletes from repartition topics while everything else happens.
    config.repartition_purge_interval = Duration::from_secs(5);
    config.memory_max_bytes = 128 << 20;
    if args.guarantee == Guarantee::AtLeastOnce {
        config.processing_guarantee = ProcessingGuarantee::AtLeastOnce;
    }
    config
}

fn options(args: &InstanceArgs, traps: &Arc<Traps>, status: &Arc<Writer>) -> StreamsOptions {
    let (traps, seen, changed) = (Arc::clone(traps), Arc::clone(status), Arc::clone(status));
    let probe = Probe::observe(move |point| {
        seen.reached(slot(), point);
        traps.reached(point);
    });
    let probe = match args.fault {
        Some(fault) => probe.with_fault(fault.seeded()),
        None => probe,
    };
    // At once, not when the main thread looks: a kill that hits a rebalance is to be seen as one.
    StreamsOptions::default().probe(probe).state_listener(move |state, _| changed.update(|status| status.running = state == State::Running))
}

fn kill_self() -> ! {
    // kill -9: no destructor, no flush, no goodbye.
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    loop {
        std::thread::park();
    }
}

/// Where the state of a task that went on in another process was from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Takeover {
    /// The task.
    pub task: String,
    /// Where its changelog was read from; `None` from the beginning.
    pub from: Option<i64>,
    /// The changelog's end.
    pub end: i64,
    /// Records read.
    pub records: i64,
    /// Bytes of their keys and values.
    pub bytes: i64,
}

/// What `tell_states` told: the copies with how far they are and should be, and the active tasks with where their states are from.
#[must_use]
pub fn read_states(lines: &[String]) -> (BTreeMap<String, (i64, i64)>, Vec<Takeover>) {
    let (mut copies, mut takeovers) = (BTreeMap::new(), Vec::new());
    for line in lines {
        let mut words = line.split(' ');
        let (what, task) = (words.next(), words.next().unwrap_or_default().to_owned());
        match (what, &*words.filter_map(|word| word.parse().ok()).collect::<Vec<i64>>()) {
            (Some("copy"), &[position, end]) => _ = copies.insert(task, (position, end)),
            (Some("restored"), &[from, end, records, bytes]) => {
                takeovers.push(Takeover { task, from: (from >= 0).then_some(from), end, records, bytes });
            }
            _ => {}
        }
    }
    (copies, takeovers)
}

/// Rows as `tell_rows` told them, by store.
#[must_use]
pub fn read_rows(lines: &[String]) -> BTreeMap<String, Vec<(String, String)>> {
    let mut stores: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for line in lines {
        let mut words = line.splitn(4, ' ');
        if let (Some("row"), Some(store), Some(key), Some(value)) = (words.next(), words.next(), words.next(), words.next()) {
            stores.entry(store.to_owned()).or_default().push((key.to_owned(), value.to_owned()));
        }
    }
    stores
}
