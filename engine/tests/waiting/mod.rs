//! Waits for what a running application does in its own time.
#![allow(dead_code, unreachable_pub, clippy::panic, reason = "each test binary uses its part, and fails by panicking")]

use std::time::{Duration, Instant};

use straum::runtime::Streams;

/// How long something may take that takes no time on an idle machine. A slow machine is not a failure.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks. The cores are for those who are looked at.
const PAUSE: Duration = Duration::from_millis(2);

/// Waits until something holds of an application.
pub fn wait(streams: &Streams, holds: impl Fn(&Streams) -> bool) {
    wait_until(|| state_of(streams), || holds(streams));
}

/// Waits until something holds; `told` says what is there instead.
pub fn wait_until(told: impl Fn() -> String, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {}", told());
        std::thread::sleep(PAUSE);
    }
}

/// All that an application says about itself.
pub fn state_of(streams: &Streams) -> String {
    let (notices, troubles, errors) = (streams.notices(), streams.troubles(), streams.errors());
    format!("{:?} {:?} {notices:?} {troubles:?} {errors:?}", streams.state(), streams.tasks())
}
