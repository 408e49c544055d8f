//! The log's contract, as it also runs on a real broker, on the embedded log.
#![allow(clippy::expect_used)]

mod support;

use std::sync::LazyLock;

use straum::log::embedded::{EmbeddedLog, EmbeddedOptions};

static EMBEDDED: LazyLock<EmbeddedLog> = LazyLock::new(|| EmbeddedLog::in_memory(EmbeddedOptions::new()).expect("memory needs nothing"));

fn embedded() -> &'static EmbeddedLog {
    &EMBEDDED
}

every_case!(embedded);
