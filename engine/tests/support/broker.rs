//! A real broker, started by the project's script and gone with the test process, however that ends.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/kafka");

/// A running broker of its own.
pub struct Broker {
    name: String,
    bootstrap: String,
    guard: Child,
}

impl Broker {
    /// Starts a broker. `purpose` becomes part of its name.
    pub fn start(purpose: &str) -> Self {
        Self::start_with(purpose, &[])
    }

    /// Starts a broker with settings over the script's own, `key=value` each; `{port}` and `{controller}` become its ports.
    pub fn start_with(purpose: &str, settings: &[&str]) -> Self {
        let name = format!("{purpose}-{}", std::process::id());
        // Set up before the broker: it wipes it as soon as this process closes the pipe, by ending or being killed.
        let guard = Command::new("setsid")
            .args(["sh", "-c", "read -r _; exec \"$0\" wipe --name \"$1\"", SCRIPT, &name])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("setsid and sh are there");
        let properties = std::env::temp_dir().join(format!("{name}.properties"));
        std::fs::write(&properties, settings.join("\n")).expect("the folder for temporary files can be written");
        let started = run(&["start", "--name", &name, "--properties", properties.to_str().expect("its name is text")]);
        std::fs::remove_file(&properties).expect("it was written");
        let bootstrap = started.trim().strip_prefix("bootstrap=").expect("the script prints bootstrap=…").to_owned();
        Self { name, bootstrap, guard }
    }

    /// Where clients connect. It stays through restarts.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// One of Kafka's own tools, by class; `{bootstrap}` becomes the broker's address. What it prints.
    pub fn tool(&self, class: &str, arguments: &[&str]) -> String {
        run(&[&["tool", "--name", &self.name, class], arguments].concat())
    }

    /// Kill -9, and wait until it is gone.
    pub fn kill(&self) {
        run(&["kill", "--name", &self.name]);
    }

    /// Starts it again on the same port and data.
    pub fn start_again(&self) {
        run(&["start", "--name", &self.name]);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

fn run(arguments: &[&str]) -> String {
    let output = Command::new(PathBuf::from(SCRIPT)).args(arguments).output().expect("scripts/kafka can be run");
    assert!(output.status.success(), "scripts/kafka {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("the script prints text")
}
