//! SCRAM (RFC 5802, RFC 7677): the password never travels, and the broker proves that it knows it too.

use std::marker::PhantomData;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::digest::Digest;
use hmac::{EagerHash, Hmac, KeyInit, Mac};

use super::Mechanism;
use crate::group::{GroupError, GroupErrorKind};

/// Fewer iterations than this and the password could be guessed from one recorded login; Kafka's own least.
const LEAST_ITERATIONS: u32 = 4096;
/// More than this and a broker could keep the client busy for minutes.
const MOST_ITERATIONS: u32 = 1_000_000;
/// base64 of `n,,`: no channel binding.
const NO_BINDING: &str = "biws";

/// One SCRAM login with the hash `H`.
pub(super) struct Scram<H> {
    name: &'static str,
    password: String,
    nonce: String,
    first_bare: String,
    expected_signature: Option<Vec<u8>>,
    hash: PhantomData<fn() -> H>,
}

impl<H> Scram<H> {
    pub(super) fn new(name: &'static str, username: &str, password: &str, nonce: String) -> Self {
        let user = username.replace('=', "=3D").replace(',', "=2C");
        let first_bare = format!("n={user},r={nonce}");
        Self { name, password: password.to_owned(), nonce, first_bare, expected_signature: None, hash: PhantomData }
    }
}

impl<H: EagerHash + Digest + Send> Scram<H>
where
    Hmac<H>: Mac + KeyInit,
{
    fn keyed(key: &[u8], message: &[u8]) -> Result<Vec<u8>, GroupError> {
        let mut mac = <Hmac<H> as KeyInit>::new_from_slice(key).map_err(|_| broken("no key of this length"))?;
        mac.update(message);
        Ok(mac.finalize().into_bytes().to_vec())
    }

    /// `Hi` of RFC 5802: PBKDF2 with one block.
    fn salted_password(&self, salt: &[u8], iterations: u32) -> Result<Vec<u8>, GroupError> {
        let password = self.password.as_bytes();
        let mut block = Self::keyed(password, &[salt, &[0, 0, 0, 1]].concat())?;
        let mut salted = block.clone();
        for _ in 1..iterations {
            block = Self::keyed(password, &block)?;
            salted.iter_mut().zip(&block).for_each(|(into, byte)| *into ^= byte);
        }
        Ok(salted)
    }

    fn prove(&mut self, server_first: &str) -> Result<Vec<u8>, GroupError> {
        let (nonce, salt, iterations) = (attribute(server_first, 'r')?, attribute(server_first, 's')?, attribute(server_first, 'i')?);
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(broken("the broker's nonce does not begin with ours"));
        }
        let salt = BASE64.decode(salt).map_err(|_| broken("the salt is not base64"))?;
        let iterations = iterations.parse().ok().filter(|count| (LEAST_ITERATIONS..=MOST_ITERATIONS).contains(count));
        let salted = self.salted_password(&salt, iterations.ok_or_else(|| broken("the number of iterations is out of bounds"))?)?;
        let without_proof = format!("c={NO_BINDING},r={nonce}");
        let message = format!("{},{server_first},{without_proof}", self.first_bare);
        let client_key = Self::keyed(&salted, b"Client Key")?;
        let stored_key = H::digest(&client_key);
        let signature = Self::keyed(&stored_key, message.as_bytes())?;
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(key, signature)| key ^ signature).collect();
        let server_key = Self::keyed(&salted, b"Server Key")?;
        self.expected_signature = Some(Self::keyed(&server_key, message.as_bytes())?);
        Ok(format!("{without_proof},p={}", BASE64.encode(proof)).into_bytes())
    }
}

impl<H: EagerHash + Digest + Send> Mechanism for Scram<H>
where
    Hmac<H>: Mac + KeyInit,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn first(&mut self) -> Result<Vec<u8>, GroupError> {
        Ok(format!("n,,{}", self.first_bare).into_bytes())
    }

    fn answer(&mut self, challenge: &[u8]) -> Result<Option<Vec<u8>>, GroupError> {
        let challenge = str::from_utf8(challenge).map_err(|_| broken("the broker's message is no text"))?;
        let Some(expected) = self.expected_signature.take() else { return self.prove(challenge).map(Some) };
        if attribute(challenge, 'e').is_ok() {
            return Err(GroupError::new(GroupErrorKind::Unauthorized, "the broker does not accept sasl.username and sasl.password"));
        }
        let signature = BASE64.decode(attribute(challenge, 'v')?).map_err(|_| broken("the broker's signature is not base64"))?;
        if signature == expected { Ok(None) } else { Err(broken("the broker does not know the password: it may not be the real one")) }
    }
}

fn attribute(message: &str, name: char) -> Result<&str, GroupError> {
    let found = message.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    found.ok_or_else(|| broken("the broker's message lacks an attribute"))
}

fn broken(what: &str) -> GroupError {
    GroupError::new(GroupErrorKind::Unauthorized, format!("SCRAM login failed: {what}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use sha2::{Sha256, Sha512};

    use super::*;

    const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    fn of_rfc_7677() -> Scram<Sha256> {
        Scram::new("SCRAM-SHA-256", "user", "pencil", "rOprNGfwEbeRWgbNEkqO".to_owned())
    }

    #[test]
    fn the_example_of_rfc_7677() {
        let mut scram = of_rfc_7677();
        assert_eq!(scram.first().unwrap(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let proof = scram.answer(SERVER_FIRST.as_bytes()).unwrap().unwrap();
        let expected = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(str::from_utf8(&proof).unwrap(), expected);
        assert_eq!(scram.answer(SERVER_FINAL.as_bytes()).unwrap(), None);
    }

    #[test]
    fn sha_512_gives_a_proof_of_its_size() {
        let mut scram = Scram::<Sha512>::new("SCRAM-SHA-512", "a=b,c", "pencil", "abc".to_owned());
        assert_eq!(scram.first().unwrap(), b"n,,n=a=3Db=2Cc,r=abc");
        let proof = scram.answer(b"r=abcdef,s=c2FsdA==,i=4096").unwrap().unwrap();
        let proof = str::from_utf8(&proof).unwrap().split_once(",p=").unwrap().1.to_owned();
        assert_eq!(BASE64.decode(proof).unwrap().len(), 64);
    }

    #[test]
    fn a_broker_that_cheats_is_refused() {
        for challenge in [
            "r=other,s=c2FsdA==,i=4096",
            "r=rOprNGfwEbeRWgbNEkqO,s=c2FsdA==,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=c2FsdA==,i=1",
            "r=rOprNGfwEbeRWgbNEkqOx,s=c2FsdA==,i=4000000000",
            "r=rOprNGfwEbeRWgbNEkqOx,s=?,i=4096",
            "s=c2FsdA==,i=4096",
        ] {
            assert_eq!(of_rfc_7677().answer(challenge.as_bytes()).unwrap_err().kind(), GroupErrorKind::Unauthorized, "{challenge}");
        }
        for ending in ["e=invalid-proof", "v=AAAA", "v=?", ""] {
            let mut scram = of_rfc_7677();
            scram.answer(SERVER_FIRST.as_bytes()).unwrap();
            assert!(scram.answer(ending.as_bytes()).is_err(), "{ending}");
        }
    }
}
