//! The instances and the broker they run on, as the harness has them in hand.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use clap::ValueEnum;
use rustix::process::{Pid, Signal, kill_process};
use straum::group::{ClientSettings, GroupClient};
use straum::log::kafka::{KafkaLog, KafkaOptions};

use crate::broker::Broker;
use crate::soak::instance::{Fault, Guarantee, Point};
use crate::soak::proxy::{Proxy, free_port};
use crate::soak::status::Status;
use crate::soak::topology::TASKS;

/// How many instances there are.
pub const INSTANCES: usize = 3;

/// How often the harness looks.
const LOOK: Duration = Duration::from_millis(30);

/// A broker, and a proxy to it for each instance.
#[derive(Debug)]
pub struct Cluster {
    /// The broker.
    pub broker: Broker,
    /// By instance.
    pub proxies: Vec<Proxy>,
    /// How long the group waits for an instance that is not heard.
    pub session: Duration,
}

impl Cluster {
    /// Starts it, with so many standby tasks for each state. Each instance has a listener of the broker for itself, which says that
    /// it is where the proxy is.
    ///
    /// # Errors
    /// When the broker does not start.
    pub fn start(name: &str, session: Duration, copies: usize) -> anyhow::Result<Self> {
        let (mut listeners, mut advertised, mut protocols, mut proxies) = (String::new(), String::new(), String::new(), Vec::new());
        for index in 0..INSTANCES {
            let port = free_port()?;
            let proxy = Proxy::start(port)?;
            listeners += &format!(",INSTANCE{index}://127.0.0.1:{port}");
            advertised += &format!(",INSTANCE{index}://127.0.0.1:{}", proxy.port());
            protocols += &format!(",INSTANCE{index}:PLAINTEXT");
            proxies.push(proxy);
        }
        let own = "PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}";
        let settings = [
            format!("listeners={own}{listeners}"),
            format!("advertised.listeners={own}{advertised}"),
            format!("listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{protocols}"),
            format!("group.streams.session.timeout.ms={}", session.as_millis()),
            format!("group.streams.num.standby.replicas={copies}"),
        ];
        Ok(Self { broker: Broker::start(name, &settings)?, proxies, session })
    }

    /// A log that no fault but the broker's own concerns.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn log(&self, application: &str) -> anyhow::Result<Arc<KafkaLog>> {
        Ok(Arc::new(KafkaLog::connect(KafkaOptions::new(self.broker.bootstrap(), application))?))
    }
}

/// How the instances of an application are started.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The program whose `instance` command is run.
    pub program: PathBuf,
    /// The application id.
    pub application: String,
    /// A folder of its own.
    pub dir: PathBuf,
    /// Stream threads of each instance.
    pub threads: usize,
    /// What a failure may leave behind.
    pub guarantee: Guarantee,
    /// How long the broker keeps a transaction that does not end.
    pub transaction_timeout: Duration,
    /// A mistake for the instances to make.
    pub fault: Option<Fault>,
}

/// One process.
#[derive(Debug)]
struct Running {
    child: Child,
    commands: ChildStdin,
    lines: Receiver<String>,
}

/// The instances of an application.
#[derive(Debug)]
pub struct Fleet<'a> {
    /// Where they run.
    pub cluster: &'a Cluster,
    setup: Setup,
    running: Vec<Option<Running>>,
    /// Which instance was last seen to have each task.
    owners: Vec<Option<usize>>,
    /// Tasks seen with another instance than before.
    pub moved: u64,
    /// Instances started.
    pub starts: u64,
    runtime: tokio::runtime::Runtime,
}

impl<'a> Fleet<'a> {
    /// None of them runs yet.
    ///
    /// # Errors
    /// When the harness cannot start a thread.
    pub fn new(cluster: &'a Cluster, setup: Setup) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let running = (0..INSTANCES).map(|_| None).collect();
        Ok(Self { cluster, setup, running, owners: vec![None; TASKS], moved: 0, starts: 0, runtime })
    }

    /// The application id.
    #[must_use]
    pub fn application(&self) -> &str {
        &self.setup.application
    }

    /// The folder of an instance.
    #[must_use]
    pub fn dir(&self, index: usize) -> PathBuf {
        self.setup.dir.join(format!("instance-{}", index + 1))
    }

    /// Starts an instance, which dies at `kill_at`.
    ///
    /// # Errors
    /// When it runs already or cannot be started.
    pub fn start(&mut self, index: usize, kill_at: Option<Point>) -> anyhow::Result<()> {
        let dir = self.dir(index);
        std::fs::create_dir_all(&dir)?;
        // Of the one before.
        let _ = std::fs::remove_file(dir.join("status"));
        let port = self.cluster.proxies.get(index).map(Proxy::port).with_context(|| format!("there is no instance {index}"))?;
        let setup = &self.setup;
        let mut command = Command::new(&setup.program);
        command.arg("instance").arg("--dir").arg(&dir).args(["--bootstrap", &format!("127.0.0.1:{port}")]);
        command.args(["--application", &setup.application, "--threads", &setup.threads.to_string(), "--guarantee", &name(setup.guarantee)]);
        command.args(["--transaction-timeout", &setup.transaction_timeout.as_millis().to_string()]);
        if let Some(fault) = setup.fault {
            command.args(["--fault", &name(fault)]);
        }
        if let Some(point) = kill_at {
            command.args(["--kill-at", &name(point)]);
        }
        let errors = File::options().create(true).append(true).open(dir.join("stderr"))?;
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors).spawn().context("cannot start an instance")?;
        let (commands, output) = child.stdin.take().zip(child.stdout.take()).context("an instance has no pipes")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        if let Some(place) = self.running.get_mut(index) {
            *place = Some(Running { child, commands, lines });
        }
        self.starts += 1;
        Ok(())
    }

    fn instance(&mut self, index: usize) -> anyhow::Result<&mut Running> {
        self.running.get_mut(index).and_then(Option::as_mut).with_context(|| format!("instance {} does not run", index + 1))
    }

    /// Tells an instance what to do.
    ///
    /// # Errors
    /// When it is gone.
    pub fn tell(&mut self, index: usize, command: &str) -> anyhow::Result<()> {
        Ok(writeln!(self.instance(index)?.commands, "{command}")?)
    }

    /// A command with a point.
    ///
    /// # Errors
    /// As [`Fleet::tell`].
    pub fn tell_at(&mut self, index: usize, verb: &str, point: Point) -> anyhow::Result<()> {
        self.tell(index, &format!("{verb} {}", name(point)))
    }

    /// Waits until an instance says `line`. What it says before; `None` when it has not said so in time.
    ///
    /// # Errors
    /// When it ends instead.
    pub fn hear(&mut self, index: usize, line: &str, patience: Duration) -> anyhow::Result<Option<Vec<String>>> {
        let deadline = Instant::now() + patience;
        let mut before = Vec::new();
        while Instant::now() < deadline {
            self.observe();
            match self.instance(index)?.lines.recv_timeout(LOOK) {
                Ok(heard) if heard == line => return Ok(Some(before)),
                Ok(heard) => before.push(heard),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => bail!("instance {} ended instead of saying {line:?}", index + 1),
            }
        }
        Ok(None)
    }

    /// Waits until an instance has ended, by itself or by its own hand.
    ///
    /// # Errors
    /// When it was not running.
    pub fn ended(&mut self, index: usize, patience: Duration) -> anyhow::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + patience;
        loop {
            self.observe();
            if let Some(status) = self.instance(index)?.child.try_wait()? {
                self.running.get_mut(index).map(Option::take);
                return Ok(Some(status));
            }
            if Instant::now() > deadline {
                return Ok(None);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Waits for a death by kill -9, and strikes the blow if it does not come by itself. What it was doing.
    ///
    /// # Errors
    /// When it ended in another way.
    pub fn died(&mut self, index: usize, patience: Duration) -> anyhow::Result<Status> {
        let ended = match self.ended(index, patience)? {
            Some(status) => status,
            None => {
                self.signal(index, Signal::KILL)?;
                self.ended(index, Duration::from_secs(30))?.context("an instance outlives kill -9")?
            }
        };
        if ended.signal() != Some(9) {
            bail!("instance {} ended by itself with {ended}: {}", index + 1, self.complaint(index));
        }
        Ok(self.status(index))
    }

    /// Removes the state of all tasks of an instance that does not run; its identity stays.
    ///
    /// # Errors
    /// When a folder cannot be removed.
    pub fn wipe_tasks(&self, index: usize) -> anyhow::Result<()> {
        for entry in std::fs::read_dir(self.dir(index).join("state").join(self.application()))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                std::fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the instance does not run.
    pub fn signal(&mut self, index: usize, signal: Signal) -> anyhow::Result<()> {
        let id = i32::try_from(self.instance(index)?.child.id())?;
        Ok(kill_process(Pid::from_raw(id).ok_or_else(|| anyhow!("process 0"))?, signal)?)
    }

    /// What an instance does, or last did.
    #[must_use]
    pub fn status(&self, index: usize) -> Status {
        Status::read(&self.dir(index).join("status"))
    }

    /// The instances that run.
    #[must_use]
    pub fn alive(&self) -> Vec<usize> {
        self.running.iter().enumerate().filter(|(_, running)| running.is_some()).map(|(index, _)| index).collect()
    }

    /// Looks who has which task: one that is with another than before has moved.
    pub fn observe(&mut self) {
        let alive: Vec<(usize, u64)> = self.alive().into_iter().map(|index| (index, self.status(index).tasks)).collect();
        for (task, owner) in self.owners.iter_mut().enumerate() {
            let mut holders = alive.iter().filter(|(_, tasks)| tasks & (1 << task) != 0).map(|(index, _)| *index);
            // An instance that is stopped still shows what it had: only a single holder is the owner.
            if let (Some(holder), None) = (holders.next(), holders.next()) {
                self.moved += u64::from(owner.is_some_and(|before| before != holder));
                *owner = Some(holder);
            }
        }
    }

    /// All tasks are open, each with one of the running instances, and nobody waits for any.
    pub fn is_settled(&mut self) -> bool {
        let statuses: Vec<(usize, Status)> = self.alive().into_iter().map(|index| (index, self.status(index))).collect();
        self.observe();
        !statuses.is_empty()
            && statuses.iter().all(|(_, status)| status.running)
            && statuses.iter().map(|(_, status)| status.tasks.count_ones() as usize).sum::<usize>() == TASKS
            && statuses.iter().fold(0, |all, (_, status)| all | status.tasks).count_ones() as usize == TASKS
    }

    /// Waits until [`is_settled`](Self::is_settled).
    ///
    /// # Errors
    /// When it is not by then, or an instance has ended.
    pub fn settle(&mut self, patience: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        while !self.is_settled() {
            self.all_alive()?;
            if Instant::now() > deadline {
                let statuses: Vec<(usize, Status)> = self.alive().into_iter().map(|index| (index + 1, self.status(index))).collect();
                bail!("the tasks are not all open within {patience:?}: {statuses:?}");
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Fails when an instance has ended that nobody killed.
    ///
    /// # Errors
    /// Then.
    pub fn all_alive(&mut self) -> anyhow::Result<()> {
        for index in self.alive() {
            if let Some(status) = self.instance(index)?.child.try_wait()? {
                bail!("instance {} ended by itself with {status}: {}", index + 1, self.complaint(index));
            }
        }
        Ok(())
    }

    /// The epochs of an instance's members of the group; none when the group does not know it.
    ///
    /// # Errors
    /// When the group cannot be asked.
    pub fn members(&self, index: usize) -> anyhow::Result<Vec<i32>> {
        let process = std::fs::read_to_string(self.dir(index).join("state").join(self.application()).join("process-id"))?;
        let client =
            GroupClient::new(self.runtime.handle().clone(), ClientSettings::new(self.cluster.broker.bootstrap(), "soak"), self.application());
        let group = client.describe().wait(Duration::from_secs(30)).context("the group was not described in time")??;
        let members = group.members.into_iter().filter(|member| member.process_id == process.trim());
        Ok(members.map(|member| member.member_epoch).collect())
    }

    /// Waits until the number of an instance's members in the group is right. False when it is not in time.
    ///
    /// # Errors
    /// As [`Fleet::members`].
    pub fn wait_for_members(&self, index: usize, patience: Duration, right: impl Fn(usize) -> bool) -> anyhow::Result<bool> {
        let deadline = Instant::now() + patience;
        while !right(self.members(index)?.len()) {
            if Instant::now() > deadline {
                return Ok(false);
            }
            std::thread::sleep(4 * LOOK);
        }
        Ok(true)
    }

    /// Lines of the instances' logs that contain `text`.
    #[must_use]
    pub fn logged(&self, index: usize, text: &str) -> u64 {
        let log = std::fs::read_to_string(self.dir(index).join("log")).unwrap_or_default();
        log.lines().filter(|line| line.contains(text)).count() as u64
    }

    /// The last it wrote to standard error.
    fn complaint(&self, index: usize) -> String {
        let text = std::fs::read_to_string(self.dir(index).join("stderr")).unwrap_or_default();
        text.lines().rev().take(3).collect::<Vec<_>>().join("; ")
    }

    /// Puts logs where they outlive the proof.
    ///
    /// # Errors
    /// When they cannot be copied.
    pub fn keep_logs(&self, to: &Path) -> anyhow::Result<()> {
        let _ = std::fs::remove_dir_all(to);
        std::fs::create_dir_all(to)?;
        for index in 0..INSTANCES {
            for file in ["log", "stderr"] {
                let from = self.dir(index).join(file);
                if from.exists() {
                    std::fs::copy(from, to.join(format!("instance-{}.{file}", index + 1)))?;
                }
            }
        }
        self.cluster.broker.keep(to)
    }
}

impl Drop for Fleet<'_> {
    fn drop(&mut self) {
        for running in self.running.iter_mut().flatten() {
            // A stopped one dies too.
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }
}

fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
