//! A real broker, started by the project's script and gone with the test process, however that ends.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/kafka");

/// A running broker of its own, or a cluster of several.
pub struct Broker {
    name: String,
    /// What the script has said of it, `name=value` a line.
    addresses: String,
    guard: Child,
}

impl Broker {
    /// Starts a broker. `purpose` becomes part of its name.
    pub fn start(purpose: &str) -> Self {
        Self::start_with(purpose, &[])
    }

    /// Starts a broker with settings over the script's own, `key=value` each; `{port}` and `{controller}` become its ports.
    pub fn start_with(purpose: &str, settings: &[&str]) -> Self {
        Self::start_as(purpose, &[], settings)
    }

    /// Starts a broker with two more listeners, which ask who one is: [`Self::tls`] and [`Self::login`].
    pub fn start_secure(purpose: &str, settings: &[&str]) -> Self {
        Self::start_as(purpose, &["--secure"], settings)
    }

    /// Starts several brokers, numbered from 1.
    pub fn start_cluster(purpose: &str, brokers: usize) -> Self {
        Self::start_as(purpose, &["--brokers", &brokers.to_string()], &[])
    }

    fn start_as(purpose: &str, options: &[&str], settings: &[&str]) -> Self {
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
        let start = ["start", "--name", &name, "--properties", properties.to_str().expect("its name is text")];
        let addresses = run(&[&start, options].concat());
        std::fs::remove_file(&properties).expect("it was written");
        Self { name, addresses, guard }
    }

    fn address(&self, kind: &str) -> &str {
        let mut lines = self.addresses.lines().filter_map(|line| line.split_once('='));
        lines.find(|(name, _)| *name == kind).expect("the script prints it").1
    }

    /// Where clients connect, in the open. It stays through restarts.
    pub fn bootstrap(&self) -> &str {
        self.address("bootstrap")
    }

    /// Where clients with a certificate connect.
    pub fn tls(&self) -> &str {
        self.address("tls")
    }

    /// Where clients log in: as `alice`, whose password is `wonder`.
    pub fn login(&self) -> &str {
        self.address("login")
    }

    /// A PEM file: `ca.pem`, `client.pem`, `client.key`, and `stranger-ca.pem`, `stranger.pem` and `stranger.key` of an authority
    /// that the broker does not know.
    pub fn certificate(&self, file: &str) -> String {
        format!("{}/{file}", self.address("certificates"))
    }

    /// One of Kafka's own tools, by class; `{bootstrap}` becomes the broker's address. What it prints.
    pub fn tool(&self, class: &str, arguments: &[&str]) -> String {
        run(&[&["tool", "--name", &self.name, class], arguments].concat())
    }

    /// Kill -9 of one of several, and wait until it is gone.
    pub fn kill_node(&self, number: usize) {
        run(&["kill", "--name", &self.name, "--node", &number.to_string()]);
    }

    /// Starts one of several again on the same port and data.
    pub fn start_node_again(&self, number: usize) {
        run(&["start", "--name", &self.name, "--node", &number.to_string()]);
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
