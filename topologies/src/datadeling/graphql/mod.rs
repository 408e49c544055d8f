//! The query API: GraphQL over the stores, by HTTP or called directly.
//!
//! Answers are computed from the stored dates for the date asked about. Personal ids are in bodies only and are never logged. Who
//! asks is not checked here: until it is, the API listens on this machine only.

mod avtale;
mod rot;
mod rute;
mod svar;
mod tjeneste;
mod typer;

pub use rute::{STANDARD_ADRESSE, router};
pub use tjeneste::{Apiinnstillinger, Kildelag, Lagerkilde, MAKS_KROPP, Svar, Tjeneste};
