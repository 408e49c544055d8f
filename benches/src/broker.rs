//! A real broker, started by the project's script and gone with this process, however that ends.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/kafka");

/// A running broker of its own.
#[derive(Debug)]
pub struct Broker {
    name: String,
    bootstrap: String,
    guard: Child,
}

impl Broker {
    /// Starts a broker with settings over the script's own, `key=value` each; `{port}` and `{controller}` become its ports.
    ///
    /// # Errors
    /// When it does not answer in time.
    pub fn start(name: &str, settings: &[String]) -> anyhow::Result<Self> {
        // Set up before the broker: it wipes it as soon as this process closes the pipe, by ending or being killed.
        let guard = Command::new("setsid")
            .args(["sh", "-c", "read -r _; exec \"$0\" wipe --name \"$1\"", SCRIPT, name])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("setsid or sh is not there")?;
        let properties = tempfile::NamedTempFile::new()?;
        std::fs::write(properties.path(), settings.join("\n"))?;
        let started = run(&["start", "--name", name, "--properties", &properties.path().to_string_lossy()])?;
        let bootstrap = started.lines().find_map(|line| line.strip_prefix("bootstrap=")).context("the script prints no bootstrap=…")?;
        Ok(Self { name: name.to_owned(), bootstrap: bootstrap.to_owned(), guard })
    }

    /// Where clients connect. It stays through restarts.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Kill -9, and wait until it is gone.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&self) -> anyhow::Result<()> {
        run(&["kill", "--name", &self.name]).map(drop)
    }

    /// Starts it again on the same port and data. A broker that comes back before its own controller knows that it is one may
    /// fail to register and end: it is started once more then.
    ///
    /// # Errors
    /// When it does not answer in time.
    pub fn start_again(&self) -> anyhow::Result<()> {
        let start = || run(&["start", "--name", &self.name]).map(drop);
        start().or_else(|_| start())
    }

    /// What it has logged since it was last started, and its data, for those who look into a failure.
    ///
    /// # Errors
    /// When they cannot be copied.
    pub fn keep(&self, to: &Path) -> anyhow::Result<()> {
        std::fs::write(to.join("broker.log"), run(&["log", "--name", &self.name])?)?;
        let data = Path::new(SCRIPT).with_file_name("../target/kafka").join(&self.name).join("1/data");
        let copied = Command::new("cp").arg("-r").args([data.as_path(), &to.join("broker")]).output()?;
        anyhow::ensure!(copied.status.success(), "cannot keep the broker's data: {}", String::from_utf8_lossy(&copied.stderr));
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

fn run(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(SCRIPT).args(arguments).output().context("cannot run scripts/kafka")?;
    if !output.status.success() {
        bail!("scripts/kafka {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}
