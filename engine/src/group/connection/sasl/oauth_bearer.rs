//! OAUTHBEARER (RFC 7628): a token from elsewhere.

use super::Mechanism;
use crate::group::connection::TokenProvider;
use crate::group::{GroupError, GroupErrorKind};

pub(super) struct OauthBearer {
    provider: TokenProvider,
    refused: bool,
}

impl OauthBearer {
    pub(super) fn new(provider: TokenProvider) -> Self {
        Self { provider, refused: false }
    }
}

impl Mechanism for OauthBearer {
    fn name(&self) -> &'static str {
        "OAUTHBEARER"
    }

    fn first(&mut self) -> Result<Vec<u8>, GroupError> {
        let token = (self.provider)().map_err(|error| GroupError::new(GroupErrorKind::Retriable, format!("no bearer token: {error}")))?;
        Ok(format!("n,,\u{1}auth=Bearer {token}\u{1}\u{1}").into_bytes())
    }

    /// A broker that refuses says why, and must be answered before it says so in its own words.
    fn answer(&mut self, challenge: &[u8]) -> Result<Option<Vec<u8>>, GroupError> {
        if challenge.is_empty() && !self.refused {
            return Ok(None);
        }
        if self.refused {
            return Err(GroupError::new(GroupErrorKind::Unauthorized, "the broker does not accept the bearer token"));
        }
        self.refused = true;
        Ok(Some(vec![1]))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_token_is_sent_and_a_refusal_answered() {
        let mut bearer = OauthBearer::new(Arc::new(|| Ok("abc.def".to_owned())));
        assert_eq!(bearer.first().unwrap(), b"n,,\x01auth=Bearer abc.def\x01\x01");
        assert_eq!(bearer.answer(b"").unwrap(), None);
        assert_eq!(bearer.answer(br#"{"status":"invalid_token"}"#).unwrap(), Some(vec![1]));
        assert_eq!(bearer.answer(b"").unwrap_err().kind(), GroupErrorKind::Unauthorized);
    }

    #[test]
    fn a_provider_that_fails_is_asked_again_later() {
        let mut bearer = OauthBearer::new(Arc::new(|| Err("the issuer is away".into())));
        assert_eq!(bearer.first().unwrap_err().kind(), GroupErrorKind::Retriable);
    }
}
