//! Writing: records handed over, delivery reports taken back.

use std::cell::RefCell;
use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::bindings::rd_kafka_vtype_t as field;
use rdkafka::types::RDKafkaErrorCode;

use crate::log::kafka::deliveries::Deliveries;
use crate::log::kafka::statistics::Latest;

use super::client::{Client, FREED_BY_LIBRDKAFKA, Reports, Role};
use super::headers::Headers;
use super::milliseconds;
use super::outcome::{CallError, by_code, bytes, code, text};

/// A topic of one [`Sender`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::log::kafka) struct TopicHandle(usize);

/// What librdkafka has told by itself, in calls of the owner's thread.
#[derive(Debug)]
struct Told {
    deliveries: RefCell<Deliveries>,
    /// Why the cluster does not let this client in.
    refusal: RefCell<Option<CallError>>,
    statistics: Arc<Latest>,
}

/// A producing client with its reports. They are served by the calls of the thread that owns it and by no
/// other: hence a type of its own that is not shared, and calls that take it by unique reference.
#[derive(Debug)]
pub(in crate::log::kafka) struct Sender {
    topics: Vec<NonNull<sys::rd_kafka_topic_t>>,
    client: Client,
    // Boxed, since librdkafka keeps its address; dropped after the client, which is the last to use it.
    told: Box<Told>,
}

// SAFETY: handles of librdkafka may move between threads; the reports are touched by the owner's calls only.
unsafe impl Send for Sender {}

impl Sender {
    pub(in crate::log::kafka) fn new(settings: &[(String, String)], statistics: Arc<Latest>) -> Result<Self, String> {
        let told = Box::new(Told { deliveries: RefCell::default(), refusal: RefCell::default(), statistics });
        let opaque = (&raw const *told).cast_mut().cast::<c_void>();
        let reports = Reports { opaque, on_delivery: Some(on_delivery), on_error: Some(on_error), on_statistics };
        // SAFETY: the callbacks expect this type at this address, and the box outlives the client.
        let client = unsafe { Client::with_reports(Role::Producer, settings, Some(reports)) }?;
        Ok(Self { topics: Vec::new(), client, told })
    }

    pub(in crate::log::kafka) fn client(&self) -> &Client {
        &self.client
    }

    /// The delivery reports so far.
    pub(in crate::log::kafka) fn deliveries<T>(&self, look: impl FnOnce(&mut Deliveries) -> T) -> T {
        // No report arrives meanwhile: they come in calls of this type's methods, and `look` has none.
        look(&mut self.told.deliveries.borrow_mut())
    }

    /// Why the cluster has not let this client in since this was last asked. Calls that wait for an answer know nothing of it.
    pub(in crate::log::kafka) fn refusal(&mut self) -> Option<CallError> {
        self.told.refusal.get_mut().take()
    }

    /// A topic to send to, which must exist: naming one to a producer may create it.
    pub(in crate::log::kafka) fn topic(&mut self, name: &str, partitions: u32) -> Result<TopicHandle, CallError> {
        let c_name = CString::new(name).map_err(|_| CallError::of(RDKafkaErrorCode::UnknownTopic))?;
        // SAFETY: live handle, zero-terminated name, default configuration; the reference is freed in `drop`.
        let topic = unsafe { sys::rd_kafka_topic_new(self.client.pointer(), c_name.as_ptr(), ptr::null_mut()) };
        self.topics.push(NonNull::new(topic).ok_or_else(|| CallError::of(RDKafkaErrorCode::InvalidTopic))?);
        self.told.deliveries.get_mut().add_topic(name, partitions);
        Ok(TopicHandle(self.topics.len() - 1))
    }

    /// Copies a record into the queue. `headers` are taken over on success and stay on failure.
    pub(in crate::log::kafka) fn send(
        &mut self,
        topic: TopicHandle,
        partition: i32,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &mut Option<Headers>,
    ) -> Result<(), RDKafkaErrorCode> {
        let Some(handle) = self.topics.get(topic.0) else { return Err(RDKafkaErrorCode::UnknownTopic) };
        let (key_data, key_length) = parts(key);
        let (value_data, value_length) = parts(value);
        // SAFETY: live handle and topic; key and value are readable for their lengths and copied (F_COPY); the private
        // value is a number and never read as a pointer; every field is followed by values of the types that it takes.
        let result = unsafe {
            sys::rd_kafka_producev(
                self.client.pointer(),
                field::RD_KAFKA_VTYPE_RKT,
                handle.as_ptr(),
                field::RD_KAFKA_VTYPE_PARTITION,
                partition,
                field::RD_KAFKA_VTYPE_MSGFLAGS,
                sys::RD_KAFKA_MSG_F_COPY,
                field::RD_KAFKA_VTYPE_VALUE,
                value_data,
                value_length,
                field::RD_KAFKA_VTYPE_KEY,
                key_data,
                key_length,
                field::RD_KAFKA_VTYPE_OPAQUE,
                ptr::without_provenance_mut::<c_void>(topic.0),
                field::RD_KAFKA_VTYPE_TIMESTAMP,
                timestamp,
                field::RD_KAFKA_VTYPE_HEADERS,
                headers.as_ref().map_or(ptr::null_mut(), Headers::pointer),
                field::RD_KAFKA_VTYPE_END,
            )
        };
        match RDKafkaErrorCode::from(result) {
            RDKafkaErrorCode::NoError => {
                // They belong to the record now.
                std::mem::forget(headers.take());
                Ok(())
            }
            failure => Err(failure),
        }
    }

    /// Takes delivery reports, waiting at most `timeout` for the first.
    pub(in crate::log::kafka) fn poll(&mut self, timeout: Duration) {
        // SAFETY: the handle is live; reports go to `on_delivery` on this thread.
        unsafe { sys::rd_kafka_poll(self.client.pointer(), milliseconds(timeout)) };
    }

    /// Sends at once what lingers and takes reports until nothing is left, at most for `timeout`. True when drained.
    pub(in crate::log::kafka) fn flush(&mut self, timeout: Duration) -> bool {
        // SAFETY: the handle is live; reports go to `on_delivery` on this thread.
        by_code(unsafe { sys::rd_kafka_flush(self.client.pointer(), milliseconds(timeout)) }).is_ok()
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let everything = sys::RD_KAFKA_PURGE_F_QUEUE | sys::RD_KAFKA_PURGE_F_INFLIGHT | sys::RD_KAFKA_PURGE_F_NON_BLOCKING;
        // SAFETY: the handle is live. Without this the client would wait for its queue to drain.
        unsafe { sys::rd_kafka_purge(self.client.pointer(), everything) };
        for topic in &self.topics {
            // SAFETY: our own references, freed once, before the client.
            unsafe { sys::rd_kafka_topic_destroy(topic.as_ptr()) };
        }
    }
}

/// A null key or value is null; an empty one is not, though it has no bytes.
fn parts(data: Option<&[u8]>) -> (*const c_void, usize) {
    data.map_or((ptr::null(), 0), |bytes| (bytes.as_ptr().cast(), bytes.len()))
}

unsafe extern "C" fn on_delivery(_client: *mut sys::rd_kafka_t, message: *const sys::rd_kafka_message_t, opaque: *mut c_void) {
    // SAFETY: the address given with this callback, alive as long as the client; see `Sender::new`.
    let told = unsafe { &*opaque.cast::<Told>() };
    // SAFETY: librdkafka hands over a live message. Its code is read as the number it is, since a broker may send one that
    // the enumeration does not have.
    let (topic, partition, offset, outcome) = unsafe {
        let outcome = (&raw const (*message).err).cast::<i32>().read();
        ((*message)._private.addr(), (*message).partition, (*message).offset, outcome)
    };
    // The methods that serve reports take the sender by unique reference, so nothing has it borrowed.
    if let Ok(mut deliveries) = told.deliveries.try_borrow_mut() {
        deliveries.report(topic, partition, offset, code(outcome));
    }
}

unsafe extern "C" fn on_error(_client: *mut sys::rd_kafka_t, error: c_int, reason: *const c_char, opaque: *mut c_void) {
    // SAFETY: the address given with this callback, alive as long as the client; see `Sender::new`.
    let told = unsafe { &*opaque.cast::<Told>() };
    // SAFETY: librdkafka hands over a zero-terminated string that lives through the callback.
    let message = unsafe { text(reason) };
    let code = match code(error) {
        refused @ (RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL) => refused,
        // In TLS 1.3 a broker refuses a certificate when the client takes the connection for made.
        RDKafkaErrorCode::BrokerTransportFailure if message.contains("SSL routines") => RDKafkaErrorCode::SSL,
        _ => return,
    };
    if let Ok(mut refusal) = told.refusal.try_borrow_mut() {
        *refusal = Some(CallError { code, message, fatal: false, retriable: false, must_abort: false });
    }
}

unsafe extern "C" fn on_statistics(_client: *mut sys::rd_kafka_t, document: *mut c_char, length: usize, opaque: *mut c_void) -> c_int {
    // SAFETY: the address given with this callback, alive as long as the client; see `Sender::new`.
    let told = unsafe { &*opaque.cast::<Told>() };
    // SAFETY: librdkafka hands over a text of this length that lives through the callback.
    told.statistics.put(unsafe { bytes(document.cast(), length) }.unwrap_or_default());
    FREED_BY_LIBRDKAFKA
}
