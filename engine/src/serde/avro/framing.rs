//! Confluent's frame around a datum, and a reader of it that notices when the datum ends too early.

use std::io::{self, ErrorKind, Read};

use super::SchemaId;
use crate::serde::SerdeError;

const MAGIC: u8 = 0;
const FORM: &str = "a framed Avro datum (0x00, 4 bytes of schema id, datum)";

pub(super) fn write_header(id: SchemaId, out: &mut Vec<u8>) {
    out.push(MAGIC);
    out.extend_from_slice(&id.get().to_be_bytes());
}

/// The id and the datum of a frame.
pub(super) fn split(frame: Option<&[u8]>) -> Result<(SchemaId, Datum<'_>), SerdeError> {
    let frame = frame.ok_or_else(|| SerdeError::null(FORM))?;
    match frame {
        [MAGIC, a, b, c, d, datum @ ..] => Ok((SchemaId::new(u32::from_be_bytes([*a, *b, *c, *d])), Datum::new(datum))),
        [] | [MAGIC, ..] => Err(SerdeError::new(FORM, format!("{} bytes", frame.len()))),
        [magic, ..] => Err(SerdeError::new(FORM, format!("magic byte {magic:#04x} ({} bytes)", frame.len()))),
    }
}

/// The bytes of one datum, read from the front.
///
/// The Avro library takes the end of its input for a null or an absent value in several places, so a
/// cut-off datum can read as a whole one. This reader remembers that more was asked for than there is.
pub(super) struct Datum<'a> {
    rest: &'a [u8],
    length: usize,
    short: bool,
}

impl<'a> Datum<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, length: bytes.len(), short: false }
    }

    /// Whether something was asked for that lies beyond the end.
    pub(super) const fn is_short(&self) -> bool {
        self.short
    }

    /// How many bytes were read.
    pub(super) const fn position(&self) -> usize {
        self.length - self.rest.len()
    }

    /// How many bytes there are.
    pub(super) const fn length(&self) -> usize {
        self.length
    }
}

impl Read for Datum<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.short |= self.rest.len() < out.len();
        self.rest.read(out)
    }

    fn read_exact(&mut self, out: &mut [u8]) -> io::Result<()> {
        match self.rest.split_at_checked(out.len()) {
            Some((taken, rest)) => {
                out.copy_from_slice(taken);
                self.rest = rest;
                Ok(())
            }
            None => {
                self.short = true;
                Err(ErrorKind::UnexpectedEof.into())
            }
        }
    }
}
