//! What changed in a table, on the repartition topic of a regrouped table.
//!
//! The form is Kafka Streams' (`ChangedSerializer` of 3.5 and later), so that a topic half filled by a JVM application can be
//! read on: the values first, a flag in the last byte.

use super::{Serde, SerdeContext, SerdeError, Serialized, SharedSerde};

const OLD_ONLY: u8 = 0;
const NEW_ONLY: u8 = 1;
const NEW_AND_OLD: u8 = 2;
/// Added to a flag that one more byte precedes: 1 when the change is the latest of its key, 0 when it came out of order.
const WITH_LATEST: u8 = 3;

const FORM: &str = "a change of a table (values, then a flag byte of 0 to 5)";

/// A table's value before and after. Kafka Streams: `Change`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Change<V> {
    /// The value replaced, `None` if there was none.
    pub old: Option<V>,
    /// The value now, `None` if it was deleted.
    pub new: Option<V>,
}

/// A [`Change`] over a serde of its values. Kafka Streams: `ChangedSerializer`, `ChangedDeserializer`.
///
/// It writes flags 0, 1 and 2, as Kafka Streams does without `upgrade.from`; versions up to 3.4 cannot read flag 2. It reads 3, 4 and
/// 5 too and drops their mark of the latest version, which only versioned tables look at. A change of nothing into nothing has no
/// form.
///
/// ```
/// use straum::serde::{Change, ChangeSerde, Part, SerdeContext, SerdeExt, Utf8};
///
/// let changes = ChangeSerde::new(Utf8.shared());
/// let change = Change { old: Some("old".to_owned()), new: Some("new".to_owned()) };
/// let bytes = changes.to_bytes(&change, SerdeContext::new("by-customer-repartition", Part::Value))?;
/// assert_eq!(bytes.as_deref(), Some(b"\x06newold\x02".as_slice()));
/// # Ok::<(), straum::serde::SerdeError>(())
/// ```
pub struct ChangeSerde<V> {
    value: SharedSerde<V>,
}

impl<V: 'static> ChangeSerde<V> {
    /// Changes of what `value` serialises.
    #[must_use]
    pub const fn new(value: SharedSerde<V>) -> Self {
        Self { value }
    }

    fn append(&self, value: &V, context: SerdeContext<'_>, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        match self.value.serialize(value, context, out)? {
            Serialized::Bytes => Ok(()),
            Serialized::Null => Err(SerdeError::new(FORM, "a value that was serialised to null")),
        }
    }

    fn read(&self, bytes: &[u8], context: SerdeContext<'_>) -> Result<Option<V>, SerdeError> {
        self.value.deserialize(Some(bytes), context).map(Some)
    }
}

impl<V: 'static> Serde for ChangeSerde<V> {
    type Data = Change<V>;

    fn serialize(&self, data: &Change<V>, context: SerdeContext<'_>, out: &mut Vec<u8>) -> Result<Serialized, SerdeError> {
        match (&data.old, &data.new) {
            (None, None) => return Err(SerdeError::new(FORM, "neither an old nor a new value")),
            (Some(old), None) => {
                self.append(old, context, out)?;
                out.push(OLD_ONLY);
            }
            (None, Some(new)) => {
                self.append(new, context, out)?;
                out.push(NEW_ONLY);
            }
            (Some(old), Some(new)) => {
                let start = out.len();
                self.append(new, context, out)?;
                let (varint, used) = write_length(out.len() - start)?;
                // The length precedes the value but is known only after it: make room.
                out.splice(start..start, varint.into_iter().take(used));
                self.append(old, context, out)?;
                out.push(NEW_AND_OLD);
            }
        }
        Ok(Serialized::Bytes)
    }

    fn deserialize(&self, bytes: Option<&[u8]>, context: SerdeContext<'_>) -> Result<Change<V>, SerdeError> {
        let bytes = bytes.ok_or_else(|| SerdeError::null(FORM))?;
        let (flag, values) = match bytes.split_last() {
            None => return Err(SerdeError::new(FORM, "0 bytes")),
            Some((flag @ OLD_ONLY..WITH_LATEST, values)) => (*flag, values),
            Some((flag @ WITH_LATEST..=5, rest)) => match rest.split_last() {
                Some((0 | 1, values)) => (flag - WITH_LATEST, values),
                _ => return Err(SerdeError::new(FORM, format!("flag {flag} without a byte of 0 or 1 before it"))),
            },
            Some((flag, _)) => return Err(SerdeError::new(FORM, format!("flag {flag}"))),
        };
        match flag {
            OLD_ONLY => Ok(Change { old: self.read(values, context)?, new: None }),
            NEW_ONLY => Ok(Change { old: None, new: self.read(values, context)? }),
            _ => {
                let (length, both) = read_length(values)?;
                let Some((new, old)) = both.split_at_checked(length) else {
                    let found = format!("a new value of {length} bytes in {} bytes", both.len());
                    return Err(SerdeError::new(FORM, found));
                };
                Ok(Change { old: self.read(old, context)?, new: self.read(new, context)? })
            }
        }
    }
}

/// A length as Kafka's zigzag varint (5 bytes at most), and how many bytes of the array it takes.
fn write_length(length: usize) -> Result<([u8; 5], usize), SerdeError> {
    let Ok(signed) = i32::try_from(length) else {
        return Err(SerdeError::new("a value below 2 GiB", format!("{length} bytes")));
    };
    let mut rest = signed.cast_unsigned() << 1;
    let mut varint = [0; 5];
    let mut used = 0;
    for byte in &mut varint {
        used += 1;
        *byte = rest.to_le_bytes()[0] & 0x7f;
        rest >>= 7;
        if rest == 0 {
            break;
        }
        *byte |= 0x80;
    }
    Ok((varint, used))
}

fn read_length(bytes: &[u8]) -> Result<(usize, &[u8]), SerdeError> {
    let mut zigzag = 0_u64;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        zigzag |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            // An odd zigzag is a negative number.
            let length = u32::try_from(zigzag).ok().filter(|zigzag| zigzag % 2 == 0).and_then(|zigzag| usize::try_from(zigzag >> 1).ok());
            let rest = bytes.get(index + 1..).unwrap_or_default();
            return length.map(|length| (length, rest)).ok_or_else(|| SerdeError::new(FORM, "a negative or too large length of the new value"));
        }
    }
    Err(SerdeError::new(FORM, format!("a length of the new value that does not end within 5 of {} bytes", bytes.len())))
}
