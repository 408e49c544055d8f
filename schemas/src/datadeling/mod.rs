//! Types of the datadeling projections: what crosses a topic or rests in a store.
//!
//! What the topology writes for itself alone (repartition topics, changelogs, rows of stores) is CBOR whose fields have numbers;
//! the engine's serde `Cbor` says what may change. Members of the closed lists stay text there, so that a value not known yet can
//! wait for the version that knows it. What others read or write, and what people are shown, is compact JSON: `camelCase` names,
//! nothing written for what is unset. Instants are whole microseconds in both. A source message never appears here, only what is left of it after reduction, so free text, names,
//! accounts and wages have no place to be kept. Rules about the types live with the topology; this module only says
//! what they are and how they are written.

mod antall;
mod cbor;
mod dodt_brev;
mod endring;
mod enums;
mod id;
mod identer;
mod innmelding;
mod nokler;
mod oppforing;
mod rad;
mod redusert;
mod statusendring;
mod tid;

pub use antall::{AntallDelta, AntallNokkel, AntallRad, PerStatus};
pub use dodt_brev::{Arsak, DodtBrev};
pub use endring::{AvtaleNrEndring, AvtaleNrRad, Delendring, Endring, Tilstand};
pub use enums::{AvtaleStatus, Opphav, Stillingstype, Tiltakstype, UkjentNavn, Verdi, Wirenavn, nfc};
pub use id::{AvtaleId, Fnr, Kilde, Rang};
pub use identer::Identsett;
pub use innmelding::{Gravferd, Innmelding, Parkert};
pub use nokler::{BedriftNokkel, OvergangNokkel, PersonNokkel, UgyldigNokkel};
pub use oppforing::{AvtaleOppforing, Gravstein, Mangel};
pub use rad::AvtaleRad;
pub use redusert::Redusert;
pub use statusendring::{Statusarsak, Statusendring};
pub use tid::{Mikros, rfc3339, rfc3339_valgfri};
