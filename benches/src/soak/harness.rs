//! Runs the soak: input flows, faults strike, and in the end everything must be there once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::Signal;
use straum::log::kafka::KafkaLog;
use straum::log::{Log, TopicSpec};

use crate::soak::blow::{Blow, Chance};
use crate::soak::fleet::{Cluster, Fleet, INSTANCES, Setup};
use crate::soak::instance::{Guarantee, Point, read_rows};
use crate::soak::ledger::Rows;
use crate::soak::report::Report;
use crate::soak::status::{Phase, Status};
use crate::soak::topology::{IN, OUT, PARTITIONS, TOTALS, topic};
use crate::soak::traffic::{Feeder, Watcher, aborted_outputs, changelogs};

/// How long anything may take that a healthy application does in seconds. A slow machine is not a failure.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// How long a point may be waited for that is reached several times a second.
const POINT: Duration = Duration::from_secs(8);

/// What to run.
#[derive(Clone, Debug)]
pub struct Soak {
    /// How the instances are started.
    pub setup: Setup,
    /// How many faults.
    pub faults: usize,
    /// Which.
    pub seed: u64,
    /// Records a second.
    pub rate: u64,
    /// Where logs are kept when it fails.
    pub keep: PathBuf,
}

impl Soak {
    /// Strikes, then compares. `progress` hears of every fault.
    ///
    /// # Errors
    /// When the application does not come back, or the harness cannot go on; the message says where the logs are.
    pub fn run(&self, cluster: &Cluster, mut progress: impl FnMut(usize, Blow)) -> anyhow::Result<Report> {
        let mut chance = Chance::new(self.seed);
        let blows = chance.blows(self.faults, self.setup.guarantee);
        self.drive(cluster, |run| {
            for (number, blow) in blows.iter().enumerate() {
                // Most faults strike a running application; some strike one that has not got over the last.
                if number % 3 == 0 || chance.below(5) < 2 {
                    run.fleet.settle(PATIENCE)?;
                } else {
                    std::thread::sleep(Duration::from_millis(chance.below(1200)));
                }
                progress(number + 1, *blow);
                run.strike(*blow, &mut chance).with_context(|| format!("fault {} of seed {}: {blow}", number + 1, self.seed))?;
                run.watcher.check()?;
                if run.watcher.look(|seen| !seen.differences.is_empty()) {
                    // It can only get worse, and the logs tell more the earlier they end.
                    break;
                }
            }
            Ok(())
        })
    }

    /// Sets everything going, lets `strike` do its worst, and compares what is left with what must be.
    ///
    /// # Errors
    /// As [`Soak::run`], and those of `strike`.
    pub fn drive(&self, cluster: &Cluster, strike: impl FnOnce(&mut Run<'_>) -> anyhow::Result<()>) -> anyhow::Result<Report> {
        let begun = Instant::now();
        let mut run = Run::begin(self, cluster)?;
        let outcome = strike(&mut run).and_then(|()| run.finish());
        let kept = || -> String {
            match run.fleet.keep_logs(&self.keep) {
                Ok(()) => format!("logs are in {}", self.keep.display()),
                Err(error) => format!("logs could not be kept: {error}"),
            }
        };
        if let Err(error) = outcome {
            return Err(error.context(kept()));
        }
        run.report.seconds = begun.elapsed().as_secs_f64();
        if !run.report.holds() {
            run.report.logs = Some(kept());
        }
        Ok(run.report)
    }
}

/// How often the instances are asked again for rows that do not fit.
const ASKED_AGAIN: u32 = 5;

/// A soak that runs.
#[derive(Debug)]
pub struct Run<'a> {
    /// The instances.
    pub fleet: Fleet<'a>,
    /// What comes out.
    pub watcher: Watcher,
    /// A log of the harness' own.
    pub log: Arc<KafkaLog>,
    /// What is found.
    pub report: Report,
    feeder: Option<Feeder>,
}

impl<'a> Run<'a> {
    fn begin(soak: &Soak, cluster: &'a Cluster) -> anyhow::Result<Self> {
        let application = soak.setup.application.as_str();
        let log = cluster.log(application)?;
        for name in [IN, OUT, TOTALS] {
            log.create_topic(&TopicSpec { name: topic(application, name), partitions: PARTITIONS, config: BTreeMap::new() })?;
        }
        let report = Report { asked: soak.faults, seed: soak.seed, guarantee: format!("{:?}", soak.setup.guarantee), ..Report::default() };
        let watcher = Watcher::start(cluster.log(application)?, application, soak.setup.guarantee)?;
        let feeder = Feeder::start(Arc::clone(&log), application, soak.rate)?;
        let mut run = Self { fleet: Fleet::new(cluster, soak.setup.clone())?, watcher, log, report, feeder: Some(feeder) };
        for index in 0..INSTANCES {
            run.fleet.start(index, None)?;
        }
        run.fleet.settle(PATIENCE)?;
        run.wait("outputs come", PATIENCE, |run| Ok(run.watcher.look(|seen| seen.outputs > 0 && seen.ticks > 0)))?;
        Ok(run)
    }

    /// Waits for something to hold.
    ///
    /// # Errors
    /// When it does not in time, or an instance ends.
    pub fn wait(&mut self, what: &str, patience: Duration, mut holds: impl FnMut(&mut Self) -> anyhow::Result<bool>) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        while !holds(self)? {
            self.fleet.observe();
            self.fleet.all_alive()?;
            self.watcher.check()?;
            anyhow::ensure!(Instant::now() < deadline, "waited {patience:?} in vain until {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn strike(&mut self, blow: Blow, chance: &mut Chance) -> anyhow::Result<()> {
        let index = usize::try_from(chance.below(INSTANCES as u64))?;
        match blow {
            Blow::Kill(at) => {
                self.kill(index, at, chance)?;
                self.fleet.start(index, None)?;
            }
            Blow::KillInRestore => {
                self.kill(index, None, chance)?;
                self.fleet.start(index, Some(Point::MidRestore))?;
                // What was committed and not flushed is to be read again: there is a restore to die in.
                let status = self.fleet.died(index, 2 * POINT)?;
                self.report.killed(&status);
                self.fleet.start(index, None)?;
            }
            Blow::KillInRebalance => {
                self.close(index, true)?;
                self.fleet.start(index, None)?;
                self.fleet.hear(index, "started", PATIENCE)?.context("an instance does not start")?;
                std::thread::sleep(Duration::from_millis(chance.below(300)));
                self.fleet.signal(index, Signal::KILL)?;
                let status = self.fleet.died(index, PATIENCE)?;
                self.report.killed(&status);
                self.fleet.start(index, None)?;
            }
            Blow::Pause(at) => {
                self.pause(index, at)?;
                std::thread::sleep(Duration::from_millis(chance.below(1500)));
                self.wake(index)?;
            }
            Blow::KillBroker => {
                self.fleet.cluster.broker.kill()?;
                std::thread::sleep(Duration::from_millis(chance.below(1500)));
                self.fleet.cluster.broker.start_again()?;
            }
            Blow::CutAll => {
                let silence = Duration::from_millis(chance.below(1000));
                std::thread::scope(|scope| self.fleet.cluster.proxies.iter().for_each(|proxy| drop(scope.spawn(move || proxy.cut(silence)))));
            }
            Blow::CutOne => {
                let silence = Duration::from_millis(chance.below(3000));
                self.fleet.cluster.proxies.get(index).map(|proxy| proxy.cut(silence)).context("there is no such proxy")?;
            }
            Blow::LoseAnswers => self.lose_answers(index, Duration::from_millis(100 + chance.below(900)))?,
            Blow::Scale { leave } => {
                let others: Vec<usize> = (0..INSTANCES).filter(|other| *other != index).collect();
                others.iter().try_for_each(|other| self.close(*other, leave))?;
                self.fleet.settle(PATIENCE).context("one instance is left")?;
                others.iter().try_for_each(|other| self.fleet.start(*other, None))?;
            }
        }
        *self.report.faults.entry(blow.to_string()).or_default() += 1;
        Ok(())
    }

    /// What an instance sends arrives, but it hears nothing of it, and then has to connect again.
    ///
    /// # Errors
    /// When there is no such instance.
    pub fn lose_answers(&mut self, index: usize, silence: Duration) -> anyhow::Result<()> {
        self.fleet.cluster.proxies.get(index).map(|proxy| proxy.lose_answers(silence)).context("there is no such proxy")
    }

    /// Kill -9 at a point, or at any time.
    ///
    /// # Errors
    /// When the instance ends in another way.
    pub fn kill(&mut self, index: usize, at: Option<Point>, chance: &mut Chance) -> anyhow::Result<Status> {
        match at {
            Some(point) => self.fleet.tell_at(index, "kill", point)?,
            None => {
                std::thread::sleep(Duration::from_millis(chance.below(500)));
                self.fleet.signal(index, Signal::KILL)?;
            }
        }
        let status = self.fleet.died(index, POINT)?;
        self.report.killed(&status);
        Ok(status)
    }

    /// Stops an instance, at a point or at any time, until the group has given it up.
    ///
    /// # Errors
    /// When the group keeps it.
    pub fn pause(&mut self, index: usize, at: Option<Point>) -> anyhow::Result<()> {
        if let Some(point) = at {
            self.hold(index, point)?;
        }
        self.stop(index)
    }

    /// Lets the first thread that comes to a point wait there. One that does not come there goes on.
    ///
    /// # Errors
    /// When the instance ends.
    pub fn hold(&mut self, index: usize, point: Point) -> anyhow::Result<()> {
        self.fleet.tell_at(index, "hold", point)?;
        self.fleet.hear(index, "held", POINT).map(drop)
    }

    /// Stops an instance where it is, until the group has given it up.
    ///
    /// # Errors
    /// When the group keeps it.
    pub fn stop(&mut self, index: usize) -> anyhow::Result<()> {
        self.fleet.signal(index, Signal::STOP)?;
        let open = self.fleet.status(index);
        self.report.paused_open += u64::from(open.is(Phase::Open) || open.is(Phase::Committing));
        let patience = self.fleet.cluster.session + PATIENCE;
        anyhow::ensure!(self.fleet.wait_for_members(index, patience, |members| members == 0)?, "the group keeps an instance that is stopped");
        Ok(())
    }

    /// Lets a stopped instance, and a thread held in it, go on.
    ///
    /// # Errors
    /// When it is gone.
    pub fn wake(&mut self, index: usize) -> anyhow::Result<()> {
        self.fleet.signal(index, Signal::CONT)?;
        self.fleet.tell(index, "go")
    }

    fn close(&mut self, index: usize, leave: bool) -> anyhow::Result<()> {
        self.fleet.tell(index, if leave { "leave" } else { "close" })?;
        let status = self.fleet.ended(index, PATIENCE)?.with_context(|| format!("instance {} does not close", index + 1))?;
        anyhow::ensure!(status.success(), "instance {} closed with {status}", index + 1);
        Ok(())
    }

    /// The input ends, everything comes to rest, and is compared.
    fn finish(&mut self) -> anyhow::Result<()> {
        let produced = self.feeder.take().context("the input has ended before")?.stop()?;
        self.report.inputs = produced.values().sum();
        self.report.longest_gap = self.watcher.longest_gap().as_secs_f64();
        self.report.moved = self.fleet.moved;
        self.report.starts = self.fleet.starts;
        let wrong = |run: &mut Self| run.watcher.look(|seen| !seen.differences.is_empty());
        if !wrong(self) {
            self.fleet.settle(PATIENCE)?;
            // What is lost never comes: the rest is for the comparison to say.
            let covered = self.wait("every input has its output", PATIENCE, |run| Ok(wrong(run) || run.watcher.look(|seen| seen.covers(&produced))));
            covered.or_else(|error| self.fleet.all_alive().and_then(|()| self.watcher.check()).inspect_err(|_| drop(error)))?;
        }
        if !wrong(self) {
            self.wait("all is idle", PATIENCE, |run| Ok(run.fleet.alive().into_iter().all(|index| run.fleet.status(index).idle)))?;
            let application = self.fleet.application().to_owned();
            let read = self.wait("no transaction is open", PATIENCE, |run| Ok(run.watcher.unread(&*run.log, &application)?.is_empty()));
            read.with_context(|| format!("not read: {:?}", self.watcher.unread(&*self.log, &application)))?;
        }
        let application = self.fleet.application().to_owned();
        self.report.differences = if wrong(self) {
            self.watcher.look(|seen| seen.differences.clone())
        } else {
            self.report.aborted_outputs = aborted_outputs(&*self.log, &application)?;
            let mut asked = 0;
            loop {
                let rows = self.rows()?;
                self.report.rows = rows.values().map(BTreeMap::len).sum();
                let changelogs = changelogs(&*self.log, &application)?;
                let differences = self.watcher.look(|seen| seen.verify(&produced, &rows, &changelogs));
                // While tasks move, as they do once an instance is back, nobody shows their rows. What is wrong stays wrong.
                if differences.is_empty() || asked == ASKED_AGAIN {
                    break differences;
                }
                asked += 1;
                std::thread::sleep(Duration::from_secs(1));
                self.fleet.settle(PATIENCE)?;
            }
        };
        (self.report.outputs, self.report.ticks) = self.watcher.look(|seen| (seen.outputs, seen.ticks));
        for index in 0..INSTANCES {
            self.report.rejoins += self.fleet.logged(index, "no longer in the group");
            self.report.rollbacks += self.fleet.logged(index, "starting again from what is committed");
        }
        Ok(())
    }

    /// The rows of the stores, asked of all instances.
    fn rows(&mut self) -> anyhow::Result<Rows> {
        let mut all = Rows::new();
        for index in self.fleet.alive() {
            self.fleet.tell(index, "rows")?;
            let lines = self.fleet.hear(index, "rows", PATIENCE)?.context("an instance tells no rows")?;
            for (store, rows) in read_rows(&lines) {
                let of_store = all.entry(store).or_default();
                rows.into_iter().for_each(|(key, value)| of_store.entry(key).or_default().push(value));
            }
        }
        Ok(all)
    }
}

/// A soak with the usual measures.
#[must_use]
pub fn usual(program: &Path, dir: &Path, application: &str) -> Soak {
    Soak {
        setup: Setup {
            program: program.to_owned(),
            application: application.to_owned(),
            dir: dir.to_owned(),
            threads: 2,
            guarantee: Guarantee::ExactlyOnce,
            transaction_timeout: Duration::from_secs(10),
            fault: None,
        },
        faults: 0,
        seed: 1,
        rate: 400,
        keep: std::env::temp_dir().join(application),
    }
}
