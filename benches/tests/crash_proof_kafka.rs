//! The crash proof on a real Kafka broker.
#![cfg(feature = "live")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::Command;

use straum_benches::crash_proof::harness::Proof;

/// A broker that is wiped when the test ends.
struct Broker {
    script: PathBuf,
    name: String,
    bootstrap: String,
}

impl Broker {
    fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/kafka");
        let name = format!("crash-proof-test-{}", std::process::id());
        let output = Command::new(&script).args(["start", "--name", &name]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let bootstrap = text.lines().find_map(|line| line.strip_prefix("bootstrap="));
        let bootstrap = bootstrap.unwrap_or_else(|| panic!("no broker: {}", String::from_utf8_lossy(&output.stderr))).to_owned();
        Self { script, name, bootstrap }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = Command::new(&self.script).args(["wipe", "--name", &self.name]).output();
    }
}

#[test]
fn count_survives_kill_9_on_kafka() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_crash-proof"));
    let application = format!("crash-proof-{}", std::process::id());
    let proof = Proof { program, dir: dir.path(), kills: 5, kafka: Some(&broker.bootstrap), application: &application, fault: None, feed: 1000 };
    let report = proof.run(|_, _| {}).unwrap();
    // A broker keeps what it was sent: no kill of a client loses unsynced writes.
    assert!(report.holds() && report.lost_unsynced == 0, "{:?} in {report:?}", report.violations());
}
