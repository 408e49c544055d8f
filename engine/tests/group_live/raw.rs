//! Requests by hand, one at a time.

use std::io::{Read, Write};
use std::net::TcpStream;

use straum::group::wire::{FindCoordinatorRequest, Request, decode_response, encode_request};

pub(crate) struct Raw(TcpStream);

impl Raw {
    /// Connects to the only broker, once it coordinates the group.
    pub(crate) fn connect(bootstrap: &str, group: &str) -> Self {
        let mut raw = Self(TcpStream::connect(bootstrap).unwrap());
        let find = FindCoordinatorRequest { key_type: 0, coordinator_keys: vec![group.to_owned()] };
        while raw.ask(&find, 4).coordinators[0].error_code != 0 {}
        raw
    }

    pub(crate) fn ask<R: Request>(&mut self, request: &R, version: i16) -> R::Response {
        self.0.write_all(&encode_request(request, version, 1, "raw")).unwrap();
        let mut length = [0; 4];
        self.0.read_exact(&mut length).unwrap();
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut frame).unwrap();
        decode_response::<R>(&frame, version).unwrap()
    }
}
