//! Headers on their way out.

use std::ffi::c_char;
use std::ptr::{self, NonNull};

use rdkafka::bindings as sys;

use crate::log::HeaderView;

/// Headers in librdkafka's form, until a record takes them over.
#[derive(Debug)]
pub(in crate::log::kafka) struct Headers(NonNull<sys::rd_kafka_headers_t>);

impl Headers {
    /// A copy of a record's headers, `None` for none.
    pub(in crate::log::kafka) fn copy(view: HeaderView<'_>) -> Option<Self> {
        if view.is_empty() {
            return None;
        }
        // SAFETY: takes a capacity, gives headers of our own.
        let headers = NonNull::new(unsafe { sys::rd_kafka_headers_new(8) }).map(Self)?;
        for (key, value) in view.iter() {
            let (data, length) = value.map_or((ptr::null(), 0), |bytes| (bytes.as_ptr().cast(), bytes.len()));
            // SAFETY: live headers; key and value are readable for the lengths given, and copied. A slice is never
            // longer than isize::MAX, so the casts keep the value.
            unsafe {
                let key_length = key.len().cast_signed();
                sys::rd_kafka_header_add(headers.0.as_ptr(), key.as_ptr().cast::<c_char>(), key_length, data, length.cast_signed());
            }
        }
        Some(headers)
    }

    pub(super) fn pointer(&self) -> *mut sys::rd_kafka_headers_t {
        self.0.as_ptr()
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        // SAFETY: still ours: headers that a record has taken over are forgotten, not dropped.
        unsafe { sys::rd_kafka_headers_destroy(self.0.as_ptr()) };
    }
}
