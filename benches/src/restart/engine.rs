//! The two engines, and their processes.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use anyhow::Context;
use clap::ValueEnum;

use super::VALUE_BYTES;
use crate::going::lock;

const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peer/Last.java");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/kafka-streams");
/// A key of [`super::load`].
const KEY_BYTES: usize = 26;

/// Whose instances they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// This one.
    Straum,
    /// Kafka Streams, with the group protocol that its broker assigns tasks by.
    KafkaStreams,
    /// Kafka Streams, with the older protocol.
    KafkaStreamsClassic,
}

impl Engine {
    /// For people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Straum => "Straum",
            Self::KafkaStreams => "Kafka Streams (streams)",
            Self::KafkaStreamsClassic => "Kafka Streams (classic)",
        }
    }

    /// An application id of its own.
    #[must_use]
    pub const fn application(self) -> &'static str {
        match self {
            Self::Straum => "straum",
            Self::KafkaStreams => "jvm",
            Self::KafkaStreamsClassic => "jvm-classic",
        }
    }
}

/// How instances are started.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The program whose `instance` command is Straum's.
    pub program: PathBuf,
    /// Where they find the broker.
    pub bootstrap: String,
    /// Stream threads of an instance.
    pub threads: usize,
    /// Memory budget of an instance of Straum, in MiB: what is not on the disk yet, and read again after a kill, is a part of it.
    pub memory_mib: u64,
    /// A folder of the proof's own.
    pub dir: PathBuf,
}

/// What an instance has said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Said {
    /// Records restored.
    pub records: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// It has its tasks, and they process.
    pub running: bool,
}

/// A process of an engine. Killed when dropped.
#[derive(Debug)]
pub struct Instance {
    child: Child,
    said: Arc<Mutex<Said>>,
}

impl Instance {
    /// Starts the instance of this number. The same number has the same state directory.
    ///
    /// # Errors
    /// When there is no such program.
    pub fn start(engine: Engine, setup: &Setup, number: usize) -> anyhow::Result<Self> {
        let dir = state_of(setup, engine, number);
        std::fs::create_dir_all(&dir)?;
        let threads = setup.threads.to_string();
        let mut command = match engine {
            Engine::Straum => Command::new(&setup.program),
            _ => Command::new(SCRIPT),
        };
        match engine {
            Engine::Straum => command
                .args(["instance", "--bootstrap", &setup.bootstrap, "--application", engine.application(), "--threads", &threads])
                .args(["--memory-mib", &setup.memory_mib.to_string()])
                .arg("--dir")
                .arg(&dir),
            Engine::KafkaStreams => command.args([PEER, &setup.bootstrap, engine.application()]).arg(&dir).args([&threads, "streams"]),
            Engine::KafkaStreamsClassic => command.args([PEER, &setup.bootstrap, engine.application()]).arg(&dir).args([&threads, "classic"]),
        };
        let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.with_extension("log"))?;
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().context("cannot start an instance")?;
        let out = child.stdout.take().context("its standard output is piped")?;
        let said = Arc::new(Mutex::new(Said::default()));
        let hears = Arc::clone(&said);
        std::thread::spawn(move || BufReader::new(out).lines().map_while(Result::ok).for_each(|line| hear(&mut lock(&hears), &line)));
        Ok(Self { child, said })
    }

    /// What it has said so far.
    #[must_use]
    pub fn said(&self) -> Said {
        *lock(&self.said)
    }

    /// Whether it has ended by itself.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn has_ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Kill -9, and wait until it is gone.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and wait until it has ended.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn terminate(mut self) -> anyhow::Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The state directory of an instance.
#[must_use]
pub fn state_of(setup: &Setup, engine: Engine, number: usize) -> PathBuf {
    Path::new(&setup.dir).join(format!("{}-{number}", engine.application()))
}

fn hear(said: &mut Said, line: &str) {
    let mut words = line.split(' ');
    match (words.next(), words.next().and_then(|word| word.parse().ok()), words.next().and_then(|word| word.parse().ok())) {
        (Some("running"), _, _) => said.running = true,
        (Some("restored"), Some(records), Some(bytes)) => {
            said.records = records;
            // The peer does not tell; a row of its changelog has eight bytes for the time.
            said.bytes = if bytes > 0 { bytes } else { records * (KEY_BYTES + 8 + VALUE_BYTES) as u64 };
        }
        _ => {}
    }
}
