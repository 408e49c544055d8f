//! Results of librdkafka's calls as values.

use std::ffi::{CStr, c_char};

use rdkafka::bindings as sys;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

/// A call that failed, with what librdkafka says about going on.
#[derive(Debug)]
pub(in crate::log::kafka) struct CallError {
    pub(in crate::log::kafka) code: RDKafkaErrorCode,
    pub(in crate::log::kafka) message: String,
    /// The client cannot go on.
    pub(in crate::log::kafka) fatal: bool,
    /// The same call may be made again.
    pub(in crate::log::kafka) retriable: bool,
    /// The transaction must be aborted.
    pub(in crate::log::kafka) must_abort: bool,
}

impl CallError {
    /// A failure known by its code only.
    pub(in crate::log::kafka) fn of(code: RDKafkaErrorCode) -> Self {
        Self { code, message: code.to_string(), fatal: code == RDKafkaErrorCode::Fatal, retriable: false, must_abort: false }
    }
}

/// The result of a call that answers with a code.
pub(super) fn by_code(code: RDKafkaRespErr) -> Result<(), CallError> {
    match RDKafkaErrorCode::from(code) {
        RDKafkaErrorCode::NoError => Ok(()),
        failure => Err(CallError::of(failure)),
    }
}

/// A code that a broker may have sent: one that this librdkafka does not know becomes `Unknown`.
pub(super) fn code(raw: i32) -> RDKafkaErrorCode {
    RDKafkaRespErr::try_from(raw).map_or(RDKafkaErrorCode::Unknown, RDKafkaErrorCode::from)
}

/// The result of a call that answers with an error object, null for success.
///
/// # Safety
/// `error` is null or an error object that nobody else holds; it is freed here.
pub(super) unsafe fn by_object(error: *mut sys::rd_kafka_error_t) -> Result<(), CallError> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: `error` is a live error object by this function's contract, and its text lives until it is destroyed.
    let failure = unsafe {
        CallError {
            code: RDKafkaErrorCode::from(sys::rd_kafka_error_code(error)),
            message: text(sys::rd_kafka_error_string(error)),
            fatal: sys::rd_kafka_error_is_fatal(error) != 0,
            retriable: sys::rd_kafka_error_is_retriable(error) != 0,
            must_abort: sys::rd_kafka_error_txn_requires_abort(error) != 0,
        }
    };
    // SAFETY: the contract leaves it to us to free it, and no reference to it remains.
    unsafe { sys::rd_kafka_error_destroy(error) };
    Err(failure)
}

/// A copy of a C string, empty for null.
///
/// # Safety
/// `text` is null or ends with a zero byte and lives through this call.
pub(super) unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not null, and zero-terminated by this function's contract.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Bytes that librdkafka holds; null is Kafka's null, not the empty string.
///
/// # Safety
/// `data` is null or points to `length` bytes that live and do not change for `'a`.
pub(super) unsafe fn bytes<'a>(data: *const std::ffi::c_void, length: usize) -> Option<&'a [u8]> {
    // SAFETY: not null here, and readable for `'a` by this function's contract.
    (!data.is_null()).then(|| unsafe { std::slice::from_raw_parts(data.cast::<u8>(), length) })
}
