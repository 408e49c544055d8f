//! Ident sets: every number a person has had.

use serde::{Deserialize, Serialize};

use super::id::Fnr;

/// Value of the ident topic, keyed by any of the person's idents. Sets are complete: one look-up is enough.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identsett {
    /// All idents of the person.
    pub identer: Vec<Fnr>,
    /// The one in use now.
    #[serde(default)]
    pub gjeldende: Option<Fnr>,
}
