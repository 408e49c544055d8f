//! PLAIN (RFC 4616): user and password in one message. Only TLS hides them.

use super::Mechanism;
use crate::group::GroupError;

pub(super) struct Plain {
    message: Vec<u8>,
}

impl Plain {
    pub(super) fn new(username: &str, password: &str) -> Self {
        Self { message: format!("\0{username}\0{password}").into_bytes() }
    }
}

impl Mechanism for Plain {
    fn name(&self) -> &'static str {
        "PLAIN"
    }

    fn first(&mut self) -> Result<Vec<u8>, GroupError> {
        Ok(self.message.clone())
    }

    fn answer(&mut self, _challenge: &[u8]) -> Result<Option<Vec<u8>>, GroupError> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_example_of_rfc_4616_without_an_authorisation_id() {
        let mut plain = Plain::new("tim", "tanstaaftanstaaf");
        assert_eq!(plain.first().unwrap(), b"\0tim\0tanstaaftanstaaf");
        assert_eq!(plain.answer(b"").unwrap(), None);
    }
}
