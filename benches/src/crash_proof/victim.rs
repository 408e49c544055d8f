//! The process that is killed: an application on the log, a feeder beside it, and a finger on its own trigger.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use clap::{Args, ValueEnum};
use straum::log::embedded::{EmbeddedLog, EmbeddedOptions, Unsynced};
use straum::log::kafka::{KafkaLog, KafkaOptions};
use straum::log::partitioner::partition_for_key;
use straum::log::{ConsumerOptions, HeaderView, Isolation, Log, OutputBatch, ProducerOptions, StartOffset, TopicPartition, TopicSpec};
use straum::runtime::{Clock, ManualClock, Probe, ProbePoint, SeededFault, State, Streams, StreamsConfig, StreamsOptions, SystemClock};

use crate::crash_proof::input::{PARTITIONS, TOPIC, key, timestamp};
use crate::crash_proof::outcome::{Count, Outcome};
use crate::crash_proof::topology::{HOP, OUT, STORE, topology};

/// The application's clock runs this much faster than the wall: state is flushed by age, and the proof has no time to wait.
///
/// Nothing that is compared depends on it. Records bring their timestamps, and the count has neither a window nor a
/// punctuator: the clock decides only when to commit and to flush. The uninterrupted run, whose clock stands at [`FROZEN`],
/// must come to the same rows and outputs.
const CLOCK_SPEED: i64 = 30_000;

/// Where the clock of the uninterrupted run stands, in milliseconds since the epoch.
const FROZEN: i64 = 1_700_000_000_000;

/// As [`CLOCK_SPEED`], on a broker, whose time-outs go by the wall.
const CLOCK_SPEED_ON_KAFKA: i64 = 600;

/// Longer than a broker holds back what is committed from those who read it.
const STILL: Duration = Duration::from_secs(1);

fn clock_speed(args: &VictimArgs) -> i64 {
    if args.kafka.is_some() { CLOCK_SPEED_ON_KAFKA } else { CLOCK_SPEED }
}

/// Where to die.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum Point {
    /// After a record has passed the topology.
    MidRecord,
    /// When all is sent and nothing committed.
    BeforeCommit,
    /// When all is committed and nothing applied.
    BetweenCommitAndApply,
    /// While state goes to the changelog.
    MidChangelog,
    /// While state goes from memory to disk.
    MidFlush,
    /// While state comes from the changelog.
    MidRestore,
}

impl Point {
    /// All of them. What is committed and not applied is there to be restored next.
    pub const ALL: [Self; 6] =
        [Self::MidRecord, Self::BeforeCommit, Self::MidChangelog, Self::MidFlush, Self::BetweenCommitAndApply, Self::MidRestore];

    fn is(self, point: ProbePoint) -> bool {
        matches!(
            (self, point),
            (Self::MidRecord, ProbePoint::MidRecord)
                | (Self::BeforeCommit, ProbePoint::BeforeCommit)
                | (Self::BetweenCommitAndApply, ProbePoint::BetweenCommitAndApply)
                | (Self::MidChangelog, ProbePoint::MidChangelog)
                | (Self::MidFlush, ProbePoint::MidFlush)
                | (Self::MidRestore, ProbePoint::MidRestore)
        )
    }
}

/// A mistake to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// Rows reach the stores before the commit.
    ApplyBeforeCommit,
    /// Offsets are left out of the transaction.
    CommitWithoutOffsets,
    /// Restores begin too late.
    RestoreFromWrongOffset,
    /// State is thrown away at the start and read anew from the beginning: right in the end, and not allowed.
    WipeState,
}

/// How a victim runs.
#[derive(Clone, Debug, Args)]
pub struct VictimArgs {
    /// The folder of the log and the state.
    #[arg(long)]
    pub dir: PathBuf,
    /// A Kafka broker instead of the embedded log.
    #[arg(long)]
    pub kafka: Option<String>,
    /// The application id.
    #[arg(long, default_value = "crash-proof")]
    pub application: String,
    /// Keep unsynced writes in memory, so that the kill loses them.
    #[arg(long)]
    pub lose_unsynced: bool,
    /// Where to die; without it the victim runs to the end of its input and compares.
    #[arg(long)]
    pub kill_at: Option<Point>,
    /// At which occurrence of the point.
    #[arg(long, default_value_t = 1)]
    pub occurrence: u64,
    /// How many records each input partition gets in this life at the most.
    #[arg(long, default_value_t = 2000)]
    pub feed: u64,
    /// Feed the partitions up to these lengths at once and finish, with the clock standing still.
    #[arg(long, value_delimiter = ',')]
    pub reference: Option<Vec<u64>>,
    /// A mistake to make.
    #[arg(long)]
    pub fault: Option<Fault>,
}

struct FastClock {
    start: i64,
    speed: i64,
}

impl Clock for FastClock {
    fn now(&self) -> i64 {
        self.start + (SystemClock.now() - self.start) * self.speed
    }
}

/// Runs until killed, or to the end: then prints the length of each input partition and the outcome.
///
/// # Errors
/// When the application cannot run.
pub fn run(args: &VictimArgs) -> anyhow::Result<()> {
    let log = open_log(args)?;
    for (name, partitions) in [(TOPIC, PARTITIONS), (OUT, PARTITIONS)] {
        log.create_topic(&TopicSpec { name: name.to_owned(), partitions, config: BTreeMap::new() })?;
    }
    if args.fault == Some(Fault::WipeState) && args.dir.join("state").exists() {
        std::fs::remove_dir_all(args.dir.join("state"))?;
    }
    let armed = Arc::new(AtomicBool::new(args.kill_at == Some(Point::MidRestore)));
    let mut streams = Streams::new(&topology()?, config(args), Arc::clone(&log), options(args, &armed));
    streams.start()?;
    wait(&streams, "Running", |streams| streams.state() == State::Running)?;
    for (task, restored) in streams.restored() {
        println!("restored {task} {} {} {}", restored.from.unwrap_or(-1), restored.end, restored.records);
    }
    // Not before: of each life that is not to end in a restore, all restores are known.
    armed.store(true, Ordering::SeqCst);
    // Not before either: where a thread takes long to start, the others would have processed it all by then.
    let feeder = {
        let (log, args) = (Arc::clone(&log), args.clone());
        std::thread::spawn(move || feed_input(&*log, &args))
    };
    feeder.join().map_err(|_| anyhow!("the feeder panicked"))??;
    if args.kill_at.is_some() {
        // Dies while the input flows; ending well means that the point was not reached so often.
        wait_until_still(&streams)?;
        streams.close()?;
        println!("survived");
        return Ok(());
    }
    let lengths = input_lengths(&*log)?;
    let outcome = outcome(&streams, &*log, usize::try_from(lengths.iter().sum::<u64>())?)?;
    let mut stdout = std::io::BufWriter::new(std::io::stdout().lock());
    for length in lengths {
        writeln!(stdout, "length {length}")?;
    }
    writeln!(stdout, "purged {}", purged(&*log, &args.application)?)?;
    outcome.write(&mut stdout)?;
    stdout.flush()?;
    streams.close()?;
    Ok(())
}

fn input_lengths(log: &dyn Log) -> anyhow::Result<Vec<u64>> {
    (0..PARTITIONS).map(|partition| Ok(u64::try_from(log.offsets(&TopicPartition::new(TOPIC, partition))?.1)?)).collect()
}

/// How many records of the repartition topic are deleted, since they are processed. By the fast clock that happens at nearly
/// every commit, so that kills hit it.
fn purged(log: &dyn Log, application: &str) -> anyhow::Result<u64> {
    let topic = format!("{application}-{HOP}-repartition");
    (0..PARTITIONS).map(|partition| Ok(u64::try_from(log.offsets(&TopicPartition::new(topic.as_str(), partition))?.0)?)).sum()
}

/// Waits for as many outputs as inputs. Fewer may still be on their way, for a minute; anything else is final.
fn outcome(streams: &Streams, log: &dyn Log, inputs: usize) -> anyhow::Result<Outcome> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        wait(streams, "idle", Streams::is_idle)?;
        let outputs = read_outputs(log)?;
        let store = streams.store::<String, i64>(STORE)?.all()?.into_iter().map(|(key, count, time)| (key, (count, time))).collect();
        let outcome = Outcome { outputs, store };
        if outcome.records() >= inputs || Instant::now() > deadline {
            return Ok(outcome);
        }
    }
}

fn open_log(args: &VictimArgs) -> anyhow::Result<Arc<dyn Log>> {
    if let Some(bootstrap) = &args.kafka {
        return Ok(Arc::new(KafkaLog::connect(KafkaOptions::new(bootstrap.as_str(), args.application.as_str()))?));
    }
    let unsynced = if args.lose_unsynced { Unsynced::HeldInMemory } else { Unsynced::WrittenThrough };
    let mut options = EmbeddedOptions::new().unsynced(unsynced);
    if args.reference.is_some() {
        options = options.clock(|| FROZEN);
    } else {
        // Small fetches, so that a restore has a middle.
        options = options.fetch(64 * 1024, 50);
    }
    Ok(Arc::new(EmbeddedLog::open(args.dir.join("log"), options)?))
}

fn config(args: &VictimArgs) -> StreamsConfig {
    let mut config = StreamsConfig::new(args.application.as_str());
    config.state_dir = args.dir.join("state");
    config.num_stream_threads = 2;
    config.poll = Duration::from_millis(2);
    let speed = u32::try_from(clock_speed(args)).unwrap_or(1);
    config.commit_interval = Duration::from_millis(20) * speed;
    config.transaction_timeout = Duration::from_secs(10) * speed;
    if args.kafka.is_some() {
        // The broker's clock is the wall's.
        config.transaction_timeout = Duration::from_secs(60);
        config.commit_interval = Duration::from_millis(50) * speed;
    }
    if args.reference.is_some() {
        // No time passes, so none must pass before a commit.
        config.commit_interval = Duration::ZERO;
    }
    config
}

fn options(args: &VictimArgs, armed: &Arc<AtomicBool>) -> StreamsOptions {
    let (kill_at, occurrence, armed) = (args.kill_at, args.occurrence, Arc::clone(armed));
    let seen = AtomicU64::new(0);
    let probe = Probe::observe(move |point| {
        if kill_at.is_some_and(|kill_at| kill_at.is(point)) && armed.load(Ordering::SeqCst) && seen.fetch_add(1, Ordering::SeqCst) + 1 == occurrence {
            kill_self();
        }
    });
    let probe = match args.fault {
        None | Some(Fault::WipeState) => probe,
        Some(Fault::ApplyBeforeCommit) => probe.with_fault(SeededFault::ApplyBeforeCommit),
        Some(Fault::CommitWithoutOffsets) => probe.with_fault(SeededFault::CommitWithoutOffsets),
        Some(Fault::RestoreFromWrongOffset) => probe.with_fault(SeededFault::RestoreFromWrongOffset(1000)),
    };
    let clock: Arc<dyn Clock> = match args.reference {
        Some(_) => Arc::new(ManualClock::new(FROZEN)),
        None => Arc::new(FastClock { start: SystemClock.now(), speed: clock_speed(args) }),
    };
    StreamsOptions::default().probe(probe).clock(clock)
}

fn kill_self() {
    // kill -9: no destructor, no flush, no goodbye.
    let pid = rustix::process::getpid();
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    loop {
        std::thread::park();
    }
}

/// Goes on with each partition where it ends. Some of it is flushed, some is left to luck.
fn feed_input(log: &dyn Log, args: &VictimArgs) -> anyhow::Result<()> {
    let options = ProducerOptions { client_id: "feeder".to_owned(), transactional_id: None, transaction_timeout: Duration::from_secs(10) };
    let mut producer = log.producer(&options)?;
    let mut next = input_lengths(log)?;
    let until = args.reference.clone().unwrap_or_else(|| next.iter().map(|length| length + args.feed).collect());
    let mut batch = OutputBatch::new();
    let topic = batch.topic(&TOPIC.into());
    for round in 1.. {
        for ((partition, next), until) in (0_u32..).zip(&mut next).zip(&until) {
            let to = (*next + 20).min(*until);
            for index in *next..to {
                let value = i64::try_from(index)?.to_be_bytes();
                batch.push(topic, partition, timestamp(index), Some(key(partition, index).as_bytes()), Some(&value), HeaderView::new(&[]));
            }
            *next = to;
        }
        if batch.is_empty() {
            break;
        }
        producer.send(&batch)?;
        batch.clear();
        if round % 5 == 0 {
            producer.flush()?;
        }
        if args.reference.is_none() {
            // The input flows for as long as the victim may live.
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    producer.flush()?;
    Ok(())
}

fn wait(streams: &Streams, what: &str, mut ready: impl FnMut(&Streams) -> bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(90);
    while !ready(streams) {
        if let Some(error) = streams.errors().first() {
            bail!("the application failed: {error}");
        }
        if Instant::now() > deadline {
            bail!("the application is {:?}, expected {what} within 90 s: {:?}", streams.state(), streams.tasks());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Waits until there has been nothing to do for so long that nothing can be on its way from a broker.
fn wait_until_still(streams: &Streams) -> anyhow::Result<()> {
    let mut since = Instant::now();
    wait(streams, "idle for a while", |streams| {
        if !streams.is_idle() {
            since = Instant::now();
        }
        since.elapsed() > STILL
    })
}

/// Everything committed on the output topic, by key.
fn read_outputs(log: &dyn Log) -> anyhow::Result<BTreeMap<String, Vec<Count>>> {
    let mut consumer = log.consumer(&ConsumerOptions { client_id: "checker".to_owned(), isolation: Isolation::ReadCommitted })?;
    let partitions: Vec<TopicPartition> = (0..PARTITIONS).map(|partition| TopicPartition::new(OUT, partition)).collect();
    consumer.assign(&partitions.iter().map(|partition| (partition.clone(), StartOffset::Beginning)).collect::<Vec<_>>())?;
    let mut outputs: BTreeMap<String, Vec<Count>> = BTreeMap::new();
    let mut batches = Vec::new();
    let reached = |consumer: &dyn straum::log::Consumer, partition: &TopicPartition| {
        consumer.end_offset(partition).zip(consumer.position(partition)).is_some_and(|(end, position)| position >= end)
    };
    let mut quiet = 0;
    while quiet < 3 {
        consumer.poll(Duration::from_millis(20), &mut batches)?;
        let done = batches.is_empty() && partitions.iter().all(|partition| reached(&*consumer, partition));
        quiet = if done { quiet + 1 } else { 0 };
        for batch in batches.drain(..) {
            for record in batch.iter() {
                let key = std::str::from_utf8(record.key.context("an output without a key")?)?.to_owned();
                let count = i64::from_be_bytes(record.value.context("an output without a value")?.try_into()?);
                if partition_for_key(key.as_bytes(), PARTITIONS) != batch.partition().partition {
                    bail!("{key} is in {}, which is not where its hash belongs", batch.partition());
                }
                outputs.entry(key).or_default().push((count, record.timestamp));
            }
        }
    }
    Ok(outputs)
}
