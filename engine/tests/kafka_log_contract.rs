//! The log's contract on a real broker.
#![allow(clippy::expect_used)]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use straum::log::kafka::{KafkaLog, KafkaOptions};
use support::broker::Broker;
use support::careless::Careless;

static KAFKA: LazyLock<(Broker, KafkaLog)> = LazyLock::new(|| {
    let broker = Broker::start("log-contract");
    let log = KafkaLog::connect(KafkaOptions::new(broker.bootstrap(), "contract")).expect("the broker has answered before");
    (broker, log)
});

fn kafka() -> &'static KafkaLog {
    &KAFKA.1
}

every_case!(kafka);

#[test]
fn the_contract_notices_a_log_that_shows_aborted_records() {
    let careless = Careless(kafka());
    let outcome =
        catch_unwind(AssertUnwindSafe(|| support::log_contract::aborted_records_never_reach_a_committed_reader(&careless, "contract-careless")));
    assert!(outcome.is_err(), "the contract took a log that shows aborted records");
}
