//! librdkafka 2.5 to 2.14, and maybe later, mishandle a broker's hint where a partition's leader now is (KIP-951) when the hint
//! is that there is none, as while a broker starts: they read memory that nobody has written and may crash
//! (confluentinc/librdkafka#5280), or the partition is never read or written again (#5430). Hints only save a question for
//! metadata, which follows the same error anyway; so they are dropped.
//!
//! A program is linked with `-Wl,--wrap=rd_kafka_metadata_update_op` to have this called, as `build.rs` does. It goes when
//! librdkafka is mended.

use std::ffi::{c_int, c_void};

use rdkafka::bindings as sys;

/// `RD_KAFKA_OP_RES_HANDLED`: librdkafka frees the hint.
const HANDLED: c_int = 1;

/// In the place of librdkafka's `rd_kafka_metadata_update_op`.
#[unsafe(no_mangle)]
extern "C" fn __wrap_rd_kafka_metadata_update_op(_client: *mut sys::rd_kafka_t, _hint: *mut c_void) -> c_int {
    HANDLED
}
