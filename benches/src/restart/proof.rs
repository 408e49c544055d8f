//! The proof itself: fill, load, kill or restart, measure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use serde::Serialize;
use straum::log::kafka::{KafkaLog, KafkaOptions};
use straum::log::{Log, TopicPartition, TopicSpec};

use super::engine::{Engine, Instance, Setup, state_of};
use super::load::{Feeder, fill};
use super::watch::Watcher;
use super::{PARTITIONS, VALUE_BYTES, input, output};

/// How long anything may take: the peer restores all of its state.
const PATIENCE: Duration = Duration::from_secs(900);
/// How long the load flows before something is done to those who bear it, and after.
const SETTLED: Duration = Duration::from_secs(10);

/// How large it is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Bytes of state: of keys and values.
    pub state: u64,
    /// Input records a second.
    pub rate: u64,
}

impl Size {
    fn keys(self) -> u64 {
        self.state / VALUE_BYTES as u64
    }
}

/// What a kill -9 cost.
#[derive(Clone, Debug, Serialize)]
pub struct Killed {
    /// Whose instance it was.
    pub engine: String,
    /// Bytes of state.
    pub state: u64,
    /// From the kill until every partition had output again, in seconds.
    pub seconds: f64,
    /// Records read from changelogs by the instance that came back.
    pub restored_records: u64,
    /// Bytes of their keys and values.
    pub restored_bytes: u64,
}

/// What a rolling restart cost.
#[derive(Clone, Debug, Serialize)]
pub struct Rolled {
    /// Whose instances they were.
    pub engine: String,
    /// How many.
    pub instances: usize,
    /// The longest time for which a partition had no output, in seconds.
    pub longest_gap: f64,
    /// From the first SIGTERM until the last instance was back, in seconds.
    pub seconds: f64,
}

/// An application of an engine, with its instances, under load.
struct Run<'a> {
    engine: Engine,
    setup: &'a Setup,
    log: Arc<KafkaLog>,
    instances: Vec<Option<Instance>>,
}

impl<'a> Run<'a> {
    /// All keys are in its state when this returns.
    fn filled(engine: Engine, setup: &'a Setup, size: Size, instances: usize, progress: &mut dyn FnMut(&str)) -> anyhow::Result<Self> {
        let log = Arc::new(KafkaLog::connect(KafkaOptions::new(setup.bootstrap.as_str(), engine.application()))?);
        for name in [input(engine.application()), output(engine.application())] {
            log.create_topic(&TopicSpec { name, partitions: PARTITIONS, config: BTreeMap::new() })?;
        }
        progress("input is written");
        fill(&log, engine.application(), size.keys())?;
        let mut run = Self { engine, setup, log, instances: Vec::new() };
        for number in 0..instances {
            run.instances.push(Some(Instance::start(engine, setup, number)?));
        }
        progress("it is processed");
        run.wait("all input is processed", Self::has_processed_all)?;
        Ok(run)
    }

    fn has_processed_all(&mut self) -> anyhow::Result<bool> {
        let topic = input(self.engine.application());
        let partitions: Vec<TopicPartition> = (0..PARTITIONS).map(|partition| TopicPartition::new(topic.as_str(), partition)).collect();
        let committed = self.log.committed(self.engine.application(), &partitions)?;
        for (partition, committed) in partitions.iter().zip(committed) {
            let (_, end) = self.log.offsets(partition)?;
            if committed.is_none_or(|committed| committed.offset < end) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn wait(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> anyhow::Result<bool>) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self)? {
            for (number, instance) in self.instances.iter_mut().enumerate() {
                if let Some(instance) = instance
                    && instance.has_ended()?
                {
                    let log = state_of(self.setup, self.engine, number).with_extension("log");
                    bail!("instance {number} of {} has ended, expected {what}: {}", self.engine.name(), std::fs::read_to_string(log)?);
                }
            }
            ensure!(Instant::now() < deadline, "{} waited in vain until {what}", self.engine.name());
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn take(&mut self, number: usize) -> anyhow::Result<Instance> {
        self.instances.get_mut(number).and_then(Option::take).ok_or_else(|| anyhow::anyhow!("there is no instance {number}"))
    }

    fn start(&mut self, number: usize) -> anyhow::Result<()> {
        let instance = Instance::start(self.engine, self.setup, number)?;
        if let Some(place) = self.instances.get_mut(number) {
            *place = Some(instance);
        }
        Ok(())
    }
}

/// Kills the only instance of an engine under load, starts it again at once, and measures until all goes on.
///
/// # Errors
/// When the application does not run, or does not come back.
pub fn kill(engine: Engine, setup: &Setup, size: Size, mut progress: impl FnMut(&str)) -> anyhow::Result<Killed> {
    let mut run = Run::filled(engine, setup, size, 1, &mut progress)?;
    progress("it is under load");
    let feeder = Feeder::start(&run.log, engine.application(), size.keys(), size.rate)?;
    let watcher = Watcher::start(Arc::clone(&run.log), engine.application())?;
    std::thread::sleep(SETTLED);
    ensure!(watcher.records() > 0, "{} gives no output under load", engine.name());
    progress("it is killed and comes back");
    let begun = Instant::now();
    run.take(0)?.kill()?;
    // What the dead one had committed may still be on its way to the watcher.
    std::thread::sleep(Duration::from_millis(50));
    let killed = Instant::now();
    run.start(0)?;
    run.wait("every partition has output again", |_| Ok(watcher.all_since(killed)))?;
    let seconds = begun.elapsed().as_secs_f64();
    std::thread::sleep(Duration::from_millis(200));
    let said = run.instances.first().and_then(Option::as_ref).map(Instance::said).unwrap_or_default();
    feeder.stop()?;
    run.take(0)?.kill()?;
    Ok(Killed { engine: engine.name().to_owned(), state: size.state, seconds, restored_records: said.records, restored_bytes: said.bytes })
}

/// Restarts the instances of an engine one after another under load: SIGTERM, start, and on when it runs.
///
/// # Errors
/// When the application does not run, or an instance does not come back.
pub fn roll(engine: Engine, setup: &Setup, size: Size, instances: usize, mut progress: impl FnMut(&str)) -> anyhow::Result<Rolled> {
    let mut run = Run::filled(engine, setup, size, instances, &mut progress)?;
    progress("it is under load");
    let feeder = Feeder::start(&run.log, engine.application(), size.keys(), size.rate)?;
    let watcher = Watcher::start(Arc::clone(&run.log), engine.application())?;
    std::thread::sleep(SETTLED);
    ensure!(watcher.records() > 0, "{} gives no output under load", engine.name());
    watcher.forget();
    let begun = Instant::now();
    for number in 0..instances {
        progress(&format!("instance {} is restarted", number + 1));
        run.take(number)?.terminate()?;
        run.start(number)?;
        run.wait("the instance runs", |run| Ok(run.instances.get(number).and_then(Option::as_ref).is_some_and(|instance| instance.said().running)))?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let since = Instant::now();
    run.wait("every partition has output", |_| Ok(watcher.all_since(since)))?;
    std::thread::sleep(SETTLED);
    let longest_gap = watcher.longest_gap().as_secs_f64();
    feeder.stop()?;
    Ok(Rolled { engine: engine.name().to_owned(), instances, longest_gap, seconds })
}
