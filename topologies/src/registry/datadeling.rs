//! `datadeling`: projections of agreements about labour-market measures.

use std::sync::Arc;

use minicbor::Decode;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Value, json};
use straum::Error;
use straum::query::ReadOnlyStore;
use straum::runtime::{ExceptionHandlers, StreamsConfig};
use straum::{BoxError, Topology};
use straum_schemas::datadeling::{
    AntallDelta, AntallRad, AvtaleNrEndring, AvtaleNrRad, AvtaleOppforing, Delendring, Identsett, Innmelding, Mikros, Parkert, Tilstand,
};

use super::datadeling_settings::valg;
use super::{Answer, Call, Generated, HttpService, Personal, Settings, StoreDefinition, Stores, TopicDefinition, TopologyDefinition, Wish};
use crate::datadeling::generator::{Generator, Innstillinger as Generatorvalg};
use crate::datadeling::graphql::{Kildelag, Lagerkilde, Tjeneste};
use crate::datadeling::lager::{Lager, Lagergiver};
use crate::datadeling::tellere::Telling;
use crate::datadeling::topologi::{self, lagernavn};

const COMPACT: &[(&str, &str)] = &[("cleanup.policy", "compact")];

/// Fields that name a person or say something of one in free words: those that are kept, and those of source messages.
const PERSONAL: &[&str] = &[
    "annullertGrunn",
    "arbeidsgiverEtternavn",
    "arbeidsgiverFornavn",
    "arbeidsgiverKontonummer",
    "arbeidsgiverTlf",
    "arbeidsoppgaver",
    "deltakerEtternavn",
    "deltakerFnr",
    "deltakerFornavn",
    "deltakerTlf",
    "familietilknytningForklaring",
    "fnr",
    "gjeldende",
    "godkjentAvBeslutterNavIdent",
    "godkjentAvNavIdent",
    "identer",
    "inkluderingstilskuddBegrunnelse",
    "maal",
    "mentorEtternavn",
    "mentorFnr",
    "mentorFornavn",
    "mentorOppgaver",
    "mentorTlf",
    "oppfolging",
    "refusjonKontaktperson",
    "tilrettelegging",
    "utførtAv",
    "veilederEtternavn",
    "veilederFornavn",
    "veilederNavIdent",
    "veilederTlf",
];

/// The main job: see [`crate::datadeling`].
pub(super) struct Datadeling;

impl TopologyDefinition for Datadeling {
    fn name(&self) -> &'static str {
        "datadeling"
    }

    fn about(&self) -> &'static str {
        "agreements on labour-market measures, by person, employer, number and kind"
    }

    fn application_id(&self) -> &'static str {
        "tiltak-datadeling"
    }

    fn build(&self, settings: &Settings) -> Result<Topology, BoxError> {
        Ok(topologi::topologi(&valg(settings)?.topologi)?)
    }

    fn configure(&self, config: &mut StreamsConfig) {
        topologi::still_inn(config);
    }

    fn handlers(&self) -> ExceptionHandlers {
        topologi::feilhandterere()
    }

    fn topics(&self) -> Vec<TopicDefinition> {
        let topic = |name, config| TopicDefinition { name, partitions: 1, config };
        vec![
            // The fixture's messages have no key, which a compacted topic would refuse.
            topic("arbeidsgiver.tiltak-avtale-hendelse-compact", &[]),
            topic("tiltak-datadeling.gjenkjoring", &[]),
            topic("tiltak-datadeling.identer", COMPACT),
            topic("tiltak-datadeling.statusendring", &[("retention.ms", "2592000000")]),
            topic("tiltak-datadeling.dlq", &[("retention.ms", "7776000000")]),
        ]
    }

    fn global_topics(&self) -> &'static [&'static str] {
        &["tiltak-datadeling.identer"]
    }

    fn stores(&self) -> Vec<StoreDefinition> {
        fn text(text: &str) -> Option<String> {
            Some(text.to_owned())
        }
        vec![
            StoreDefinition::json::<String, AvtaleOppforing>(lagernavn::AVTALE, "the newest state of each agreement", text),
            StoreDefinition::json::<String, Tilstand>(lagernavn::PERSON, "agreements by person", text),
            StoreDefinition::json::<String, Tilstand>(lagernavn::BEDRIFT, "agreements by employer", text),
            StoreDefinition::json::<String, AvtaleNrRad>(lagernavn::AVTALENR, "agreements by number", text),
            StoreDefinition::json::<String, AntallRad>(lagernavn::ANTALL, "counts by kind of measure", text),
            StoreDefinition::json::<String, Vec<Parkert>>(lagernavn::PARKERT, "messages with values not known yet", text),
            StoreDefinition::json::<String, ()>(lagernavn::OVERGANGER, "dates on which an agreement changes by itself", text),
            StoreDefinition::json::<String, ()>(lagernavn::GRAVSTEINER, "when what is kept of the deleted may go", text),
            StoreDefinition::json::<String, Identsett>(lagernavn::IDENTER, "idents of one person", text),
            StoreDefinition::json::<String, Telling>(lagernavn::TELLERE_INN, "what was counted when decoding", text),
            StoreDefinition::json::<String, Telling>(lagernavn::TELLERE, "what was counted in the table", text),
            StoreDefinition::json::<String, Telling>(lagernavn::TELLERE_GJENKJORING, "what was counted of the re-driven", text),
        ]
    }

    fn internal_value(&self, topic: &str, value: &[u8]) -> Option<Value> {
        fn shown<T: Serialize + for<'b> Decode<'b, ()>>(value: &[u8]) -> Option<Value> {
            serde_json::to_value(minicbor::decode::<T>(value).ok()?).ok()
        }
        let name = topic.strip_prefix(self.application_id())?.strip_prefix('-')?;
        if let Some(repartition) = name.strip_suffix("-repartition") {
            return match repartition {
                "avtale-redusert" | "gjenkjoring-inn" => shown::<Innmelding>(value),
                "person-inn" | "bedrift-inn" => shown::<Delendring>(value),
                "avtalenr-inn" => shown::<AvtaleNrEndring>(value),
                "antall-inn" => shown::<AntallDelta>(value),
                _ => None,
            };
        }
        match name.strip_suffix("-changelog")? {
            lagernavn::AVTALE => shown::<AvtaleOppforing>(value),
            lagernavn::PARKERT => shown::<Vec<Parkert>>(value),
            lagernavn::OVERGANGER | lagernavn::GRAVSTEINER => shown::<()>(value),
            lagernavn::PERSON | lagernavn::BEDRIFT => shown::<Tilstand>(value),
            lagernavn::AVTALENR => shown::<AvtaleNrRad>(value),
            lagernavn::ANTALL => shown::<AntallRad>(value),
            lagernavn::TELLERE | lagernavn::TELLERE_INN | lagernavn::TELLERE_GJENKJORING => shown::<Telling>(value),
            _ => None,
        }
    }

    fn personal(&self) -> Personal {
        Personal { fields: PERSONAL, eleven_digits: true }
    }

    fn generate(&self, wish: Wish) -> Option<Box<dyn Iterator<Item = Generated>>> {
        let valg = Generatorvalg { fro: wish.seed, meldinger: wish.records, ..Generatorvalg::default() };
        Some(Box::new(Generator::ny(valg).map(|generert| Generated {
            key: generert.nokkel.map(String::into_bytes),
            value: generert.verdi,
            timestamp: generert.tidspunkt,
        })))
    }

    fn http(&self, settings: &Settings) -> Result<Option<Box<dyn HttpService>>, BoxError> {
        let kilde = Arc::new(Kilde::default());
        let tjeneste = Tjeneste::ny(Arc::<Kilde>::clone(&kilde), valg(settings)?.api);
        Ok(Some(Box::new(Graphql { kilde, tjeneste })))
    }
}

impl Lagergiver for Stores<'_> {
    fn lager<V: Clone + 'static>(&self, navn: &str) -> Result<ReadOnlyStore<String, V>, Error> {
        self.open(navn)
    }
}

/// What the API reads, as it was at the newest call.
#[derive(Default)]
struct Kilde(Mutex<(Option<Lager>, Kildelag, i64)>);

impl Lagerkilde for Kilde {
    fn lager(&self) -> Option<Lager> {
        self.0.lock().0.clone()
    }

    fn kildelag(&self) -> Kildelag {
        self.0.lock().1
    }

    fn naa(&self) -> Mikros {
        Mikros(self.0.lock().2.saturating_mul(1000))
    }
}

/// `POST /graphql`.
struct Graphql {
    kilde: Arc<Kilde>,
    tjeneste: Tjeneste,
}

impl HttpService for Graphql {
    fn call(&self, stores: Stores<'_>, call: &Call) -> Answer {
        let refused = |status, message: &str| Answer { status, body: json!({ "errors": [{ "message": message }] }) };
        if call.path != "/graphql" {
            return refused(404, "there is nothing here, expected /graphql");
        }
        if call.method != "POST" {
            return refused(405, "expected POST");
        }
        let behind = call.behind;
        let lag = Kildelag { meldinger: behind.records, millis: behind.milliseconds, komplett: behind.complete };
        *self.kilde.0.lock() = (Lager::apne(&stores).ok(), lag, call.now);
        let svar = self.tjeneste.utfor(call.body.to_string().as_bytes());
        Answer { status: svar.status, body: svar.kropp }
    }
}
