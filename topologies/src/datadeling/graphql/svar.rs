//! The answers of the schema beside `Avtale`, and the filter.

use async_graphql::{InputObject, SimpleObject};
use straum_schemas::datadeling::Fnr;

use super::avtale::Avtale;
use super::typer::{AvtaleStatus, Dato, Tiltakstype};
use crate::datadeling::sporring;

#[derive(SimpleObject)]
pub(super) struct PaaTiltak {
    pub(super) paa_tiltak: bool,
    pub(super) dato: Dato,
    pub(super) antall: i32,
    pub(super) tiltakstyper: Vec<Tiltakstype>,
    pub(super) avtaler: Vec<Avtale>,
    pub(super) ufullstendig: bool,
}

#[derive(SimpleObject)]
pub(super) struct Varighet {
    pub(super) antall_avtaler: i32,
    pub(super) sum_dager: i32,
    pub(super) union_dager: i32,
    pub(super) segmenter: Vec<Segment>,
    pub(super) per_tiltakstype: Vec<VarighetType>,
    pub(super) ufullstendig: bool,
}

#[derive(SimpleObject)]
pub(super) struct VarighetType {
    pub(super) tiltakstype: Tiltakstype,
    pub(super) antall_avtaler: i32,
    pub(super) sum_dager: i32,
    pub(super) union_dager: i32,
}

#[derive(SimpleObject)]
pub(super) struct Segment {
    pub(super) fra: Dato,
    pub(super) til: Dato,
    pub(super) dager: i32,
}

#[derive(SimpleObject)]
pub(super) struct BedriftPaaDato {
    pub(super) dato: Dato,
    pub(super) antall_avtaler: i32,
    pub(super) antall_personer: i32,
    pub(super) avtaler: Vec<Avtale>,
}

#[derive(SimpleObject)]
pub(super) struct Antall {
    pub(super) tiltakstype: Option<Tiltakstype>,
    pub(super) antall_avtaler: i32,
    pub(super) antall_personer: i32,
}

#[derive(SimpleObject)]
pub(super) struct StatusAntall {
    pub(super) status: AvtaleStatus,
    pub(super) antall: i32,
}

#[derive(SimpleObject)]
pub(super) struct AvtaleSide {
    pub(super) elementer: Vec<Avtale>,
    pub(super) antall_totalt: i32,
    pub(super) neste: Option<String>,
}

#[derive(InputObject)]
pub(super) struct AvtaleFilter {
    personnumre: Option<Vec<String>>,
    bedrifter: Option<Vec<String>>,
    tiltakstyper: Option<Vec<Tiltakstype>>,
    statuser: Option<Vec<AvtaleStatus>>,
    effektiv_statuser: Option<Vec<AvtaleStatus>>,
    paa_tiltak_dato: Option<Dato>,
    overlapper_fra: Option<Dato>,
    overlapper_til: Option<Dato>,
    #[graphql(default_with = "Some(false)")]
    inkluder_feilregistrert: Option<bool>,
}

impl From<AvtaleFilter> for sporring::AvtaleFilter {
    fn from(filter: AvtaleFilter) -> Self {
        fn liste<A: Into<B>, B>(liste: Option<Vec<A>>) -> Option<Vec<B>> {
            liste.map(|liste| liste.into_iter().map(Into::into).collect())
        }
        Self {
            personnumre: filter.personnumre.map(|numre| numre.into_iter().map(|fnr| Fnr(fnr.into())).collect()),
            bedrifter: liste(filter.bedrifter),
            tiltakstyper: liste(filter.tiltakstyper),
            statuser: liste(filter.statuser),
            effektiv_statuser: liste(filter.effektiv_statuser),
            paa_tiltak_dato: filter.paa_tiltak_dato.map(|dato| dato.0),
            overlapper_fra: filter.overlapper_fra.map(|dato| dato.0),
            overlapper_til: filter.overlapper_til.map(|dato| dato.0),
            inkluder_feilregistrert: filter.inkluder_feilregistrert.unwrap_or(false),
        }
    }
}
