//! A killed instance reads the tail of its changelog only, and does not wait for its session to end.
#![cfg(feature = "live")]
#![allow(clippy::unwrap_used)]

use std::path::Path;

use straum_benches::broker::Broker;
use straum_benches::restart::engine::{Engine, Setup};
use straum_benches::restart::proof::{Size, kill};

const STATE: u64 = 96 << 20;

#[test]
fn after_a_kill_the_tail_is_read_and_no_session_is_waited_for() {
    let broker = Broker::start(&format!("restart-{}", std::process::id()), &[]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_restart-proof")).to_owned();
    let setup = Setup { program, bootstrap: broker.bootstrap().to_owned(), threads: 2, memory_mib: 48, dir: dir.path().to_owned() };
    let killed = kill(Engine::Straum, &setup, Size { state: STATE, rate: 500 }, |_| {}).unwrap();
    assert!(killed.restored_bytes > 0 && killed.restored_bytes < STATE / 2, "{killed:?}");
    // The broker's session time-out is 45 s.
    assert!(killed.seconds < 40.0, "{killed:?}");
}
