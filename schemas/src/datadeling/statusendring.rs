//! Topic `statusendring`: changes of effective status, without person data.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::enums::{AvtaleStatus, Tiltakstype};
use super::id::AvtaleId;
use super::tid::{Mikros, rfc3339};

/// Why an effective status changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Statusarsak {
    /// A message said so.
    Melding,
    /// A date passed.
    Dato,
    /// The agreement was deleted.
    Slettet,
}

/// One change of effective status, keyed by avtaleId. Read by others: instants are text, unset is null.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statusendring {
    /// The agreement.
    pub avtale_id: AvtaleId,
    /// Kind of measure.
    pub tiltakstype: Tiltakstype,
    /// Before; null the first time.
    pub fra: Option<AvtaleStatus>,
    /// After; null when the agreement is gone.
    pub til: Option<AvtaleStatus>,
    /// Why.
    pub arsak: Statusarsak,
    /// The transition date for [`Statusarsak::Dato`], else the Oslo date on which it was handled.
    pub gjelder_dato: Date,
    /// sistEndret of the row.
    #[serde(with = "rfc3339")]
    pub sist_endret: Mikros,
}
