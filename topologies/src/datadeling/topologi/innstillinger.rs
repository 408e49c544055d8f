//! What the topology can be told, and how the engine must be set for it.

use std::sync::Arc;

use straum::runtime::{Decision, ExceptionHandlers, StreamsConfig};

use crate::datadeling::kjente::Kjente;

/// Settings of the topology.
#[derive(Clone, Debug)]
pub struct Innstillinger {
    /// The compacted topic of agreements.
    pub kilde: Arc<str>,
    /// Re-driven dead letters: messages to the table, keyed by avtaleId.
    pub gjenkjoring: Arc<str>,
    /// Ident sets.
    pub identer: Arc<str>,
    /// Status changes out.
    pub statusendring: Arc<str>,
    /// Dead letters out: coordinates and cause, no payload.
    pub dlq: Arc<str>,
    /// Generation of the source topic; raised when it is created anew.
    pub epoke: i32,
    /// Partitions of repartition topic `avtale-redusert`.
    pub partisjoner_avtale: u32,
    /// Partitions of repartition topics `person-inn`, `bedrift-inn`, `avtalenr-inn` and `antall-inn`.
    pub partisjoner_projeksjon: u32,
    /// Known values of the closed lists.
    pub kjente: Arc<Kjente>,
    /// Days a gravstein is kept.
    pub gravstein_dager: u32,
}

impl Default for Innstillinger {
    fn default() -> Self {
        Self {
            kilde: "arbeidsgiver.tiltak-avtale-hendelse-compact".into(),
            gjenkjoring: "tiltak-datadeling.gjenkjoring".into(),
            identer: "tiltak-datadeling.identer".into(),
            statusendring: "tiltak-datadeling.statusendring".into(),
            dlq: "tiltak-datadeling.dlq".into(),
            epoke: 1,
            partisjoner_avtale: 6,
            partisjoner_projeksjon: 6,
            kjente: Arc::default(),
            gravstein_dager: 30,
        }
    }
}

/// Sets the engine for this topology: no dead-letter topic of its own, since that would carry the original bytes, which may
/// name a person. Bad messages are the decoder's to judge and never fail a step.
pub fn still_inn(config: &mut StreamsConfig) {
    config.dead_letter_topic = None;
}

/// The application's configuration, otherwise with defaults.
#[must_use]
pub fn config(application_id: &str) -> StreamsConfig {
    let mut config = StreamsConfig::new(application_id);
    still_inn(&mut config);
    config
}

/// Without a dead-letter topic a failing record may not be passed over: its task pauses and says why.
#[must_use]
pub fn feilhandterere() -> ExceptionHandlers {
    let stans: straum::runtime::ExceptionHandler = Arc::new(|_| Decision::Fail);
    ExceptionHandlers { deserialization: Arc::clone(&stans), processing: Arc::clone(&stans), production: stans }
}
