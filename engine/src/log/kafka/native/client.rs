//! A client of librdkafka: made from settings, logging through `tracing`, closed when dropped.

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr::NonNull;

use rdkafka::bindings as sys;
use rdkafka::types::RDKafkaErrorCode;

use super::outcome::text;

/// What a client is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::log::kafka) enum Role {
    /// Reads, and asks about topics and groups.
    Consumer,
    /// Takes part in a group, and hears of its rebalances.
    Member,
    /// Writes.
    Producer,
}

/// What librdkafka calls, in calls that serve a client's reports.
pub(super) struct Reports {
    /// What each of them is given.
    pub(super) opaque: *mut c_void,
    /// For each delivered or failed record.
    pub(super) on_delivery: Option<unsafe extern "C" fn(*mut sys::rd_kafka_t, *const sys::rd_kafka_message_t, *mut c_void)>,
    /// For each trouble with the cluster.
    pub(super) on_error: Option<unsafe extern "C" fn(*mut sys::rd_kafka_t, c_int, *const c_char, *mut c_void)>,
    /// For each of the client's statistics, a JSON text.
    pub(super) on_statistics: unsafe extern "C" fn(*mut sys::rd_kafka_t, *mut c_char, usize, *mut c_void) -> c_int,
}

/// What a callback for statistics answers that has not kept the text.
pub(super) const FREED_BY_LIBRDKAFKA: c_int = 0;

/// A connected client. All calls through a shared reference are thread-safe in librdkafka and run no callback but the
/// log's.
#[derive(Debug)]
pub(in crate::log::kafka) struct Client {
    handle: NonNull<sys::rd_kafka_t>,
}

// SAFETY: librdkafka's handle may be used from any thread.
unsafe impl Send for Client {}
// SAFETY: librdkafka synchronises inside; methods that would run callbacks of a single thread are not on this type.
unsafe impl Sync for Client {}

impl Client {
    /// A client with these settings. The error is librdkafka's own text, which names the setting.
    pub(in crate::log::kafka) fn new(role: Role, settings: &[(String, String)]) -> Result<Self, String> {
        // SAFETY: without a callback no opaque pointer is ever read.
        unsafe { Self::with_reports(role, settings, None) }
    }

    /// A client with reports.
    ///
    /// # Safety
    /// The pointer in `reports` must be what its callbacks expect, and outlive the client.
    pub(super) unsafe fn with_reports(role: Role, settings: &[(String, String)], reports: Option<Reports>) -> Result<Self, String> {
        let configuration = Configuration::new(settings)?;
        let mut reason = [0; 512];
        // SAFETY: the configuration is live; the callbacks are functions; the opaque pointer is good by this function's
        // contract.
        unsafe {
            sys::rd_kafka_conf_set_log_cb(configuration.0.as_ptr(), Some(on_log));
            if role == Role::Member {
                sys::rd_kafka_conf_set_events(configuration.0.as_ptr(), sys::RD_KAFKA_EVENT_REBALANCE | sys::RD_KAFKA_EVENT_ERROR);
            }
            if let Some(reports) = reports {
                // A consumer would warn of a setting that is not for it, even of none.
                if reports.on_delivery.is_some() {
                    sys::rd_kafka_conf_set_dr_msg_cb(configuration.0.as_ptr(), reports.on_delivery);
                }
                sys::rd_kafka_conf_set_error_cb(configuration.0.as_ptr(), reports.on_error);
                sys::rd_kafka_conf_set_stats_cb(configuration.0.as_ptr(), Some(reports.on_statistics));
                sys::rd_kafka_conf_set_opaque(configuration.0.as_ptr(), reports.opaque);
            }
        }
        let kind = match role {
            Role::Consumer | Role::Member => sys::rd_kafka_type_t::RD_KAFKA_CONSUMER,
            Role::Producer => sys::rd_kafka_type_t::RD_KAFKA_PRODUCER,
        };
        // SAFETY: the buffer is writable for its whole length; the configuration is live.
        let handle = unsafe { sys::rd_kafka_new(kind, configuration.0.as_ptr(), reason.as_mut_ptr(), reason.len()) };
        let Some(handle) = NonNull::new(handle) else {
            // SAFETY: librdkafka has left a zero-terminated text in the buffer.
            return Err(unsafe { text(reason.as_ptr()) });
        };
        // On success the configuration belongs to the client.
        std::mem::forget(configuration);
        if role != Role::Producer {
            // SAFETY: the handle is live. Errors and records then come through one queue.
            unsafe { sys::rd_kafka_poll_set_consumer(handle.as_ptr()) };
        }
        Ok(Self { handle })
    }

    pub(super) fn pointer(&self) -> *mut sys::rd_kafka_t {
        self.handle.as_ptr()
    }

    /// The error after which this client cannot go on, if there was one.
    pub(in crate::log::kafka) fn fatal_error(&self) -> Option<(RDKafkaErrorCode, String)> {
        let mut reason = [0; 512];
        // SAFETY: the handle is live and the buffer writable for its whole length.
        let code = unsafe { sys::rd_kafka_fatal_error(self.pointer(), reason.as_mut_ptr(), reason.len()) };
        match RDKafkaErrorCode::from(code) {
            RDKafkaErrorCode::NoError => None,
            // SAFETY: with an error librdkafka leaves a zero-terminated text in the buffer.
            code => Some((code, unsafe { text(reason.as_ptr()) })),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Who is a member of a group has left it before, or falls out of it by the session time-out.
        // SAFETY: the handle is live and nobody uses it after this; what was made from it has been freed by its owners.
        unsafe { sys::rd_kafka_destroy_flags(self.pointer(), sys::RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE) };
    }
}

struct Configuration(NonNull<sys::rd_kafka_conf_t>);

impl Configuration {
    fn new(settings: &[(String, String)]) -> Result<Self, String> {
        // SAFETY: takes nothing, gives a configuration of our own.
        let configuration = NonNull::new(unsafe { sys::rd_kafka_conf_new() }).map(Self).ok_or("out of memory")?;
        for (name, value) in settings {
            configuration.set(name, value)?;
        }
        Ok(configuration)
    }

    fn set(&self, name: &str, value: &str) -> Result<(), String> {
        let c_string = |text: &str| CString::new(text).map_err(|_| format!("setting {name:?} holds a zero byte"));
        let mut reason = [0; 512];
        let (c_name, c_value) = (c_string(name)?, c_string(value)?);
        // SAFETY: live configuration, zero-terminated strings, a buffer writable for its whole length.
        let result = unsafe { sys::rd_kafka_conf_set(self.0.as_ptr(), c_name.as_ptr(), c_value.as_ptr(), reason.as_mut_ptr(), reason.len()) };
        match result {
            sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK => Ok(()),
            // SAFETY: librdkafka has left a zero-terminated text in the buffer.
            _ => Err(unsafe { text(reason.as_ptr()) }),
        }
    }
}

impl Drop for Configuration {
    fn drop(&mut self) {
        // SAFETY: still ours; a configuration given to a client is forgotten, not dropped.
        unsafe { sys::rd_kafka_conf_destroy(self.0.as_ptr()) };
    }
}

/// librdkafka's log line, by syslog level. Its errors are about connections that it goes on to mend, hence warnings.
unsafe extern "C" fn on_log(_client: *const sys::rd_kafka_t, level: c_int, facility: *const c_char, line: *const c_char) {
    // SAFETY: librdkafka hands over zero-terminated strings that live through the callback.
    let (facility, line) = unsafe { (text(facility), text(line)) };
    match level {
        0..=2 => tracing::error!(target: "straum::kafka", facility, "{line}"),
        3 | 4 => tracing::warn!(target: "straum::kafka", facility, "{line}"),
        5 | 6 => tracing::info!(target: "straum::kafka", facility, "{line}"),
        _ => tracing::debug!(target: "straum::kafka", facility, "{line}"),
    }
}
