//! The crash proof on a real Kafka broker.
#![cfg(feature = "live")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use straum_benches::broker::Broker;
use straum_benches::crash_proof::harness::Proof;
use straum_benches::crash_proof::victim::Point;

#[test]
fn count_survives_kill_9_on_kafka() {
    let broker = Broker::start(&format!("crash-proof-test-{}", std::process::id()), &[]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_crash-proof"));
    let kills = u32::try_from(Point::ALL.len()).unwrap();
    let application = format!("crash-proof-{}", std::process::id());
    let proof = Proof { program, dir: dir.path(), kills, kafka: Some(broker.bootstrap()), application: &application, fault: None, feed: 1000 };
    let report = proof.run(|_, _| {}).unwrap();
    // A broker keeps what it was sent: no kill of a client loses unsynced writes.
    assert!(report.holds() && report.lost_unsynced == 0, "{:?} in {report:?}", report.violations());
}
