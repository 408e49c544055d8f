//! The queries: each reads the stores once and leaves the computing to [`sporring`](crate::datadeling::sporring).

use std::sync::Arc;

use async_graphql::{Context, ErrorExtensions, ID, Object, Result};
use jiff::civil::Date;
use parking_lot::Mutex;
use straum_schemas::datadeling::{AvtaleId, Fnr};

use super::avtale::Avtale;
use super::svar::{Antall, AvtaleFilter, AvtaleSide, BedriftPaaDato, PaaTiltak, Segment, StatusAntall, Varighet, VarighetType};
use super::typer::{AvtaleStatus, Dato, Tiltakstype, tall};
use crate::datadeling::lager::{Funn, Lager};
use crate::datadeling::sporring::{self, PersonRader, Side, Sidesamler, Sporringsfeil, Treff, Vindu};
use crate::datadeling::status;

/// Rows of an unpaged part of an answer.
const STANDARD_ANTALL: i32 = 100;

/// One request: the stores, the date in Oslo, and what goes into the answer's extensions.
pub(super) struct Foresporsel {
    pub(super) lager: Lager,
    pub(super) idag: Date,
    pub(super) maks_rader: usize,
    pub(super) samlet: Arc<Mutex<Samlet>>,
}

/// What the fields of a request add to the answer's extensions.
#[derive(Debug, Default)]
pub(super) struct Samlet {
    /// Cursors of list queries by response name.
    pub(super) neste: Vec<(String, Option<String>)>,
    /// Agreements that have no row to show.
    pub(super) ufullstendige: Vec<AvtaleId>,
}

/// Type `Query`.
pub(super) struct Query;

fn foresporsel<'a>(ctx: &'a Context<'_>) -> Result<&'a Foresporsel> {
    ctx.data::<Foresporsel>()
}

/// A query that was refused: the client may correct it.
fn avvist(feil: &Sporringsfeil) -> async_graphql::Error {
    let kode = feil.kind().navn();
    async_graphql::Error::new(feil.to_string()).extend_with(|_, utvidelser| utvidelser.set("code", kode))
}

/// A store that could not be read. What it said is for the log, not for the client.
fn lagerfeil(feil: &straum::Error) -> async_graphql::Error {
    tracing::error!(kind = ?feil.kind(), store = feil.store(), "a query could not read a store");
    async_graphql::Error::new("a store could not be read").extend_with(|_, utvidelser| utvidelser.set("code", "LAGER_UTILGJENGELIG"))
}

impl Foresporsel {
    fn vis(&self, treff: Treff) -> Avtale {
        Avtale { treff, idag: self.idag }
    }

    fn vis_alle(&self, treff: Vec<Treff>) -> Vec<Avtale> {
        treff.into_iter().map(|treff| self.vis(treff)).collect()
    }

    fn dato(&self, dato: Option<Dato>) -> Date {
        dato.map_or(self.idag, |dato| dato.0)
    }

    /// A list query's rows, with its cursor among the extensions.
    fn liste(&self, ctx: &Context<'_>, side: Side) -> Vec<Option<Avtale>> {
        let felt = ctx.field();
        let navn = felt.alias().unwrap_or(felt.name()).to_owned();
        self.samlet.lock().neste.push((navn, side.neste));
        side.elementer.into_iter().map(|treff| Some(self.vis(treff))).collect()
    }

    fn samler(&self, antall: Option<i32>, etter: Option<&str>) -> Result<Sidesamler> {
        Sidesamler::ny(antall, etter, self.maks_rader).map_err(|feil| avvist(&feil))
    }

    fn uten_rad(&self, avtaler: Vec<AvtaleId>) {
        self.samlet.lock().ufullstendige.extend(avtaler);
    }

    fn personer(&self, identer: Vec<String>, utvid: Option<bool>) -> Result<PersonRader> {
        let mut identer: Vec<Fnr> = identer.into_iter().map(|ident| Fnr(ident.into())).collect();
        if utvid.unwrap_or(true) {
            identer = self.lager.utvid(&identer).map_err(|feil| lagerfeil(&feil))?;
        }
        let (person, bare_mangel) = self.lager.personer(&identer).map_err(|feil| lagerfeil(&feil))?;
        self.uten_rad(bare_mangel);
        Ok(person)
    }

    fn bedrifter<'a>(&self, numre: impl IntoIterator<Item = &'a str>) -> Result<Vec<Treff>> {
        let Funn { treff, bare_mangel } = self.lager.bedrifter(numre).map_err(|feil| lagerfeil(&feil))?;
        self.uten_rad(bare_mangel);
        Ok(treff)
    }

    /// A page of all rows that a filter lets through.
    fn blant_alle(&self, filter: &sporring::AvtaleFilter, mut samler: Sidesamler) -> Result<Side> {
        let mut uten_rad = Vec::new();
        let lest = self.lager.alle(|treff| match treff {
            Ok(treff) if filter.treffer(&treff.rad, self.idag) => samler.ta(treff),
            Ok(_) => {}
            Err(avtale_id) => uten_rad.push(avtale_id),
        });
        lest.map_err(|feil| lagerfeil(&feil))?;
        self.uten_rad(uten_rad);
        samler.ferdig().map_err(|feil| avvist(&feil))
    }

    /// A page of rows already found.
    fn blant(&self, treff: Vec<Treff>, filter: &sporring::AvtaleFilter, mut samler: Sidesamler) -> Result<Side> {
        for ett in treff {
            if filter.treffer(&ett.rad, self.idag) {
                samler.ta(ett);
            }
        }
        samler.ferdig().map_err(|feil| avvist(&feil))
    }
}

/// The filter of a query that only asks whether to show those entered by mistake.
fn uten_vilkaar(inkluder_feilregistrert: Option<bool>) -> sporring::AvtaleFilter {
    sporring::AvtaleFilter { inkluder_feilregistrert: inkluder_feilregistrert.unwrap_or(true), ..Default::default() }
}

#[Object]
impl Query {
    #[expect(clippy::too_many_arguments, reason = "those of the schema")]
    async fn avtaler_for_person(
        &self,
        ctx: &Context<'_>,
        personnummer: Option<String>,
        personnumre: Option<Vec<String>>,
        #[graphql(default_with = "Some(true)")] utvid_identer: Option<bool>,
        #[graphql(default_with = "Some(true)")] inkluder_feilregistrert: Option<bool>,
        antall: Option<i32>,
        etter: Option<String>,
    ) -> Result<Vec<Option<Avtale>>> {
        let om = foresporsel(ctx)?;
        let samler = om.samler(antall, etter.as_deref())?;
        let identer = personnummer.into_iter().chain(personnumre.into_iter().flatten()).collect();
        let person = om.personer(identer, utvid_identer)?;
        Ok(om.liste(ctx, om.blant(person.treff, &uten_vilkaar(inkluder_feilregistrert), samler)?))
    }

    async fn avtaler_for_bedrift(
        &self,
        ctx: &Context<'_>,
        organisasjonsnummer: Option<String>,
        #[graphql(default_with = "Some(true)")] inkluder_feilregistrert: Option<bool>,
        antall: Option<i32>,
        etter: Option<String>,
    ) -> Result<Vec<Option<Avtale>>> {
        let om = foresporsel(ctx)?;
        let samler = om.samler(antall, etter.as_deref())?;
        let treff = om.bedrifter(organisasjonsnummer.as_deref())?;
        Ok(om.liste(ctx, om.blant(treff, &uten_vilkaar(inkluder_feilregistrert), samler)?))
    }

    async fn avtale(&self, ctx: &Context<'_>, avtale_id: Option<ID>, avtale_nr: Option<i32>) -> Result<Option<Avtale>> {
        let om = foresporsel(ctx)?;
        let avtale_id = match (avtale_id, avtale_nr) {
            (Some(id), _) => AvtaleId::les(&id),
            (None, Some(nr)) if nr > 0 => om.lager.avtale_med_nr(nr).map_err(|feil| lagerfeil(&feil))?,
            (None, _) => None,
        };
        let Some(avtale_id) = avtale_id else { return Ok(None) };
        let Some(oppforing) = om.lager.avtale(avtale_id).map_err(|feil| lagerfeil(&feil))? else { return Ok(None) };
        let ufullstendig = oppforing.mangel.is_some();
        if oppforing.rad.is_none() && ufullstendig {
            om.uten_rad(vec![avtale_id]);
        }
        Ok(oppforing.rad.map(|rad| om.vis(Treff { rad, ufullstendig })))
    }

    async fn avtaler_for_tiltakstype(
        &self,
        ctx: &Context<'_>,
        tiltakstype: Option<Tiltakstype>,
        #[graphql(default_with = "Some(true)")] inkluder_feilregistrert: Option<bool>,
        antall: Option<i32>,
        etter: Option<String>,
    ) -> Result<Vec<Option<Avtale>>> {
        let om = foresporsel(ctx)?;
        let samler = om.samler(antall, etter.as_deref())?;
        let Some(tiltakstype) = tiltakstype else { return Ok(Vec::new()) };
        let filter = sporring::AvtaleFilter { tiltakstyper: Some(vec![tiltakstype.into()]), ..uten_vilkaar(inkluder_feilregistrert) };
        Ok(om.liste(ctx, om.blant_alle(&filter, samler)?))
    }

    async fn avtaler_for_status(
        &self,
        ctx: &Context<'_>,
        status: Option<AvtaleStatus>,
        #[graphql(default_with = "Some(true)")] inkluder_feilregistrert: Option<bool>,
        antall: Option<i32>,
        etter: Option<String>,
    ) -> Result<Vec<Option<Avtale>>> {
        let om = foresporsel(ctx)?;
        let samler = om.samler(antall, etter.as_deref())?;
        let Some(status) = status else { return Ok(Vec::new()) };
        let filter = sporring::AvtaleFilter { statuser: Some(vec![status.into()]), ..uten_vilkaar(inkluder_feilregistrert) };
        Ok(om.liste(ctx, om.blant_alle(&filter, samler)?))
    }

    async fn paa_tiltak(
        &self,
        ctx: &Context<'_>,
        identer: Vec<String>,
        dato: Option<Dato>,
        #[graphql(default_with = "Some(true)")] utvid_identer: Option<bool>,
    ) -> Result<PaaTiltak> {
        let om = foresporsel(ctx)?;
        let svar = sporring::paa_tiltak(om.personer(identer, utvid_identer)?, om.dato(dato));
        Ok(PaaTiltak {
            paa_tiltak: svar.paa_tiltak(),
            dato: Dato(svar.dato),
            antall: tall(svar.avtaler.len()),
            tiltakstyper: svar.tiltakstyper.into_iter().map(Into::into).collect(),
            avtaler: om.vis_alle(svar.avtaler),
            ufullstendig: svar.ufullstendig,
        })
    }

    async fn varighet(
        &self,
        ctx: &Context<'_>,
        identer: Vec<String>,
        fra: Option<Dato>,
        til: Option<Dato>,
        tiltakstyper: Option<Vec<Tiltakstype>>,
        #[graphql(default_with = "Some(true)")] utvid_identer: Option<bool>,
    ) -> Result<Varighet> {
        let om = foresporsel(ctx)?;
        let vindu = Vindu { fra: fra.map(|dato| dato.0), til: til.map(|dato| dato.0) };
        let tiltakstyper: Option<Vec<_>> = tiltakstyper.map(|typer| typer.into_iter().map(Into::into).collect());
        let person = om.personer(identer, utvid_identer)?;
        let rader = person.treff.iter().map(|treff| &*treff.rad);
        let svar = sporring::varighet(rader, vindu, tiltakstyper.as_deref()).map_err(|feil| avvist(&feil))?;
        let segment = |segment: &sporring::Segment| Segment { fra: Dato(segment.fra), til: Dato(segment.til), dager: tall(segment.dager()) };
        let per_type = |del: &sporring::VarighetType| VarighetType {
            tiltakstype: del.tiltakstype.into(),
            antall_avtaler: tall(del.antall_avtaler),
            sum_dager: tall(del.sum_dager),
            union_dager: tall(del.union_dager),
        };
        Ok(Varighet {
            antall_avtaler: tall(svar.antall_avtaler),
            sum_dager: tall(svar.sum_dager),
            union_dager: tall(svar.union_dager),
            segmenter: svar.segmenter.iter().map(segment).collect(),
            per_tiltakstype: svar.per_tiltakstype.iter().map(per_type).collect(),
            ufullstendig: person.ufullstendig(),
        })
    }

    async fn bedrift_paa_dato(&self, ctx: &Context<'_>, organisasjonsnummer: String, dato: Option<Dato>) -> Result<BedriftPaaDato> {
        let om = foresporsel(ctx)?;
        let svar = sporring::bedrift_paa_dato(om.bedrifter([organisasjonsnummer.as_str()])?, om.dato(dato));
        Ok(BedriftPaaDato {
            dato: Dato(svar.dato),
            antall_avtaler: tall(svar.avtaler.len()),
            antall_personer: tall(svar.antall_personer),
            avtaler: om.vis_alle(svar.avtaler),
        })
    }

    async fn avtaler(
        &self,
        ctx: &Context<'_>,
        filter: AvtaleFilter,
        #[graphql(default_with = "Some(100)")] antall: Option<i32>,
        etter: Option<String>,
    ) -> Result<AvtaleSide> {
        let om = foresporsel(ctx)?;
        let filter = sporring::AvtaleFilter::from(filter);
        filter.sjekk().map_err(|feil| avvist(&feil))?;
        let samler = om.samler(antall.or(Some(STANDARD_ANTALL)), etter.as_deref())?;
        // Persons and employers have stores of their own; only without either are all rows read.
        let side = match (&filter.personnumre, &filter.bedrifter) {
            (Some(personnumre), _) => {
                let (person, bare_mangel) = om.lager.personer(personnumre).map_err(|feil| lagerfeil(&feil))?;
                om.uten_rad(bare_mangel);
                om.blant(person.treff, &filter, samler)?
            }
            (None, Some(bedrifter)) => {
                let mut numre: Vec<&str> = bedrifter.iter().map(AsRef::as_ref).collect();
                numre.sort_unstable();
                numre.dedup();
                om.blant(om.bedrifter(numre)?, &filter, samler)?
            }
            (None, None) => om.blant_alle(&filter, samler)?,
        };
        Ok(AvtaleSide { elementer: om.vis_alle(side.elementer), antall_totalt: tall(side.antall_totalt), neste: side.neste })
    }

    async fn antall(&self, ctx: &Context<'_>, dato: Option<Dato>) -> Result<Vec<Antall>> {
        let om = foresporsel(ctx)?;
        let dato = om.dato(dato);
        let mut rader = Vec::new();
        let lest = om.lager.i_bolker(|rad| status::paa_tiltak(rad, dato), |bolk| rader.extend_from_slice(bolk));
        lest.map_err(|feil| lagerfeil(&feil))?;
        let linjer = sporring::antall(rader.iter().map(|rad| &**rad), dato);
        let linje = |linje: sporring::Antall| Antall {
            tiltakstype: linje.tiltakstype.map(Into::into),
            antall_avtaler: tall(linje.antall_avtaler),
            antall_personer: tall(linje.antall_personer),
        };
        Ok(linjer.into_iter().map(linje).collect())
    }

    async fn statusfordeling(
        &self,
        ctx: &Context<'_>,
        dato: Option<Dato>,
        tiltakstype: Option<Tiltakstype>,
        #[graphql(default_with = "Some(false)")] inkluder_feilregistrert: Option<bool>,
    ) -> Result<Vec<StatusAntall>> {
        let om = foresporsel(ctx)?;
        let (dato, tiltakstype) = (om.dato(dato), tiltakstype.map(Into::into));
        let mut per_status = std::collections::BTreeMap::new();
        let lest = om.lager.i_bolker(
            |_| true,
            |bolk| {
                let rader = bolk.iter().map(|rad| &**rad);
                for linje in sporring::statusfordeling(rader, dato, tiltakstype, inkluder_feilregistrert.unwrap_or(false)) {
                    *per_status.entry(linje.status).or_insert(0) += linje.antall;
                }
            },
        );
        lest.map_err(|feil| lagerfeil(&feil))?;
        Ok(per_status.into_iter().map(|(status, antall)| StatusAntall { status: status.into(), antall: tall(antall) }).collect())
    }
}
