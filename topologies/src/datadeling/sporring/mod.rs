//! Queries as pure functions over rows: which are listed, in what order, and what is computed from them.
//!
//! Called by the query API with rows read from the stores; nothing here reads a store, a clock or a token. Everything is
//! computed from stored dates for the date asked about, so a late punctuator cannot give a wrong answer.

mod feil;
mod filter;
mod oversikt;
mod side;
mod treff;
mod varighet;

pub use feil::{Sporringsfeil, Sporringskode};
pub use filter::AvtaleFilter;
pub use oversikt::{Antall, BedriftPaaDato, PaaTiltak, StatusAntall, antall, bedrift_paa_dato, paa_tiltak, statusfordeling};
pub use side::{MAKS_ANTALL, MAKS_RADER, Side, Sidesamler, Sortering, side};
pub use treff::{PersonRader, Treff, person_rader};
pub use varighet::{Segment, Varighet, VarighetType, Vindu, varighet};
