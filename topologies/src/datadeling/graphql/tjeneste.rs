//! One request from body to answer, without a socket.

use std::sync::Arc;

use async_graphql::{EmptyMutation, EmptySubscription, Request, Response, Schema, ServerError, Value, value};
use parking_lot::Mutex;
use serde_json::json;
use straum_schemas::datadeling::Mikros;

use super::rot::{Foresporsel, Query, Samlet};
use crate::datadeling::lager::Lager;
use crate::datadeling::sporring::MAKS_RADER;
use crate::datadeling::tid;

/// Largest body, in bytes.
pub const MAKS_KROPP: usize = 64 * 1024;

/// Settings of the query API.
#[derive(Clone, Copy, Debug)]
pub struct Apiinnstillinger {
    /// Whether the schema may be asked about; off in production.
    pub introspeksjon: bool,
    /// Whether to answer before the first read-through is done.
    pub tillat_ufullstendig: bool,
    /// Most rows of a list that is not paged.
    pub maks_rader: usize,
}

impl Default for Apiinnstillinger {
    fn default() -> Self {
        Self { introspeksjon: false, tillat_ufullstendig: false, maks_rader: MAKS_RADER }
    }
}

/// How far the stores are behind the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kildelag {
    /// Messages not read yet.
    pub meldinger: u64,
    /// Milliseconds since everything was last read; 0 when it is.
    pub millis: u64,
    /// Whether the first read-through, to the ends at the start, is done.
    pub komplett: bool,
}

/// What the API asks of the application it answers for.
pub trait Lagerkilde: Send + Sync {
    /// The stores; `None` while they cannot be read.
    fn lager(&self) -> Option<Lager>;
    /// How far behind they are.
    fn kildelag(&self) -> Kildelag;
    /// The application's clock.
    fn naa(&self) -> Mikros;
}

/// An answer: HTTP status and body.
#[derive(Clone, Debug, PartialEq)]
pub struct Svar {
    /// HTTP status.
    pub status: u16,
    /// JSON.
    pub kropp: serde_json::Value,
}

impl Svar {
    fn feil(status: u16, kode: &str, melding: &str) -> Self {
        Self { status, kropp: json!({"errors": [{"message": melding, "extensions": {"code": kode}}]}) }
    }
}

/// The query API. Cloning is cheap.
#[derive(Clone)]
pub struct Tjeneste {
    skjema: Schema<Query, EmptyMutation, EmptySubscription>,
    kilde: Arc<dyn Lagerkilde>,
    innstillinger: Apiinnstillinger,
}

impl Tjeneste {
    /// The API over an application.
    #[must_use]
    pub fn ny(kilde: Arc<dyn Lagerkilde>, innstillinger: Apiinnstillinger) -> Self {
        let bygger = Schema::build(Query, EmptyMutation, EmptySubscription);
        let bygger = if innstillinger.introspeksjon { bygger } else { bygger.disable_introspection() };
        Self { skjema: bygger.finish(), kilde, innstillinger }
    }

    /// The schema in its own language.
    #[must_use]
    pub fn sdl(&self) -> String {
        self.skjema.sdl()
    }

    /// Whether queries are answered.
    #[must_use]
    pub fn er_klar(&self) -> bool {
        self.klart_lager().is_some()
    }

    fn klart_lager(&self) -> Option<Lager> {
        let komplett = self.innstillinger.tillat_ufullstendig || self.kilde.kildelag().komplett;
        komplett.then(|| self.kilde.lager()).flatten()
    }

    /// Answers the body of a request. Reads stores, so not to be awaited where blocking is unwelcome.
    pub async fn svar(&self, kropp: &[u8]) -> Svar {
        if kropp.len() > MAKS_KROPP {
            return Svar::feil(413, "FOR_STOR_FORESPORSEL", "the body is too large, expected at most 65536 bytes");
        }
        let Ok(foresporsel) = serde_json::from_slice::<Request>(kropp) else {
            return Svar::feil(400, "UGYLDIG_FORESPORSEL", "the body is not a GraphQL request, expected JSON with query");
        };
        // The parser's own message quotes the query, which may name a person.
        if let Err(feil) = async_graphql::parser::parse_query(&foresporsel.query) {
            let plass = feil.positions().next().map(|plass| format!(" at line {}, column {}", plass.line, plass.column));
            return Svar::feil(400, "UGYLDIG_FORESPORSEL", &format!("the query cannot be parsed{}", plass.unwrap_or_default()));
        }
        let Some(lager) = self.klart_lager() else {
            return Svar::feil(503, "IKKE_KLAR", "the stores are not ready, try again later");
        };
        let idag = tid::oslodato(self.kilde.naa());
        let kildelag = self.kilde.kildelag();
        let Ok(beregnet_dato) = lager.beregnet_dato(idag) else {
            return Svar::feil(503, "IKKE_KLAR", "the stores cannot be read, try again later");
        };
        let samlet = Arc::new(Mutex::new(Samlet::default()));
        let data = Foresporsel { lager, idag, maks_rader: self.innstillinger.maks_rader, samlet: Arc::clone(&samlet) };
        let mut svar = self.skjema.execute(foresporsel.data(data)).await;
        svar.errors.iter_mut().for_each(uten_tall);
        svar.extensions.insert(
            "ferskhet".to_owned(),
            value!({
                "lagMeldinger": kildelag.meldinger,
                "lagMillis": kildelag.millis,
                "komplett": kildelag.komplett,
                "standby": false,
                "beregnetDato": beregnet_dato.to_string(),
            }),
        );
        utvid(&mut svar, std::mem::take(&mut *samlet.lock()));
        match serde_json::to_value(&svar) {
            Ok(kropp) => Svar { status: 200, kropp },
            Err(_) => Svar::feil(500, "INTERN_FEIL", "the answer has no form in JSON"),
        }
    }

    /// As [`Tjeneste::svar`], waiting for the answer. Not to be called from an asynchronous task.
    #[must_use]
    pub fn utfor(&self, kropp: &[u8]) -> Svar {
        match tokio::runtime::Builder::new_current_thread().build() {
            Ok(kjoring) => kjoring.block_on(self.svar(kropp)),
            Err(_) => Svar::feil(503, "IKKE_KLAR", "no more requests can be taken in now, try again later"),
        }
    }
}

/// Adds cursors and agreements without a row. One list query's cursor stands alone, several by response name.
fn utvid(svar: &mut Response, mut samlet: Samlet) {
    let peker = |neste: Option<String>| neste.map_or(Value::Null, Value::String);
    if samlet.neste.len() > 1 {
        let par = samlet.neste.into_iter().map(|(navn, neste)| (async_graphql::Name::new(navn), peker(neste)));
        svar.extensions.insert("neste".to_owned(), Value::Object(par.collect()));
    } else if let Some((_, neste)) = samlet.neste.pop() {
        svar.extensions.insert("neste".to_owned(), peker(neste));
    }
    if !samlet.ufullstendige.is_empty() {
        samlet.ufullstendige.sort_unstable();
        samlet.ufullstendige.dedup();
        let avtaler = samlet.ufullstendige.iter().map(|avtale_id| Value::String(avtale_id.to_string()));
        svar.extensions.insert("ufullstendigeAvtaler".to_owned(), Value::List(avtaler.collect()));
    }
}

/// The library's messages quote what they refuse; a long number in one may be a person.
fn uten_tall(feil: &mut ServerError) {
    let mut ut = String::with_capacity(feil.message.len());
    let mut sifre = String::new();
    let skjul = |sifre: &mut String, ut: &mut String| {
        ut.push_str(if sifre.len() >= 6 { "***" } else { sifre });
        sifre.clear();
    };
    for tegn in feil.message.chars() {
        if tegn.is_ascii_digit() {
            sifre.push(tegn);
        } else {
            skjul(&mut sifre, &mut ut);
            ut.push(tegn);
        }
    }
    skjul(&mut sifre, &mut ut);
    feil.message = ut;
}
