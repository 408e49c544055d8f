//! The settings of `datadeling`, from their names.

use std::sync::Arc;

use serde_json::Value;
use straum::BoxError;
use straum_schemas::datadeling::Wirenavn;

use super::{Settings, only};
use crate::datadeling::graphql::Apiinnstillinger;
use crate::datadeling::kjente::Kjente;
use crate::datadeling::topologi::Innstillinger;

const NAMES: [&str; 11] = [
    "epoke",
    "gravstein.dager",
    "graphql.introspeksjon",
    "kjente.opphav",
    "kjente.statuser",
    "kjente.stillingstyper",
    "kjente.tiltakstyper",
    "maks-rader",
    "partisjoner.avtale",
    "partisjoner.projeksjon",
    "tillat-ufullstendig",
];

/// What a run is told.
#[derive(Debug, Default)]
pub(super) struct Valg {
    /// Of the topology.
    pub(super) topologi: Innstillinger,
    /// Of the query API.
    pub(super) api: Apiinnstillinger,
}

/// Reads settings. `kjente.*` are objects of further wire names, each with the name of the member it stands for.
pub(super) fn valg(settings: &Settings) -> Result<Valg, BoxError> {
    only(settings, &NAMES)?;
    let mut valg = Valg::default();
    let mut kjente = Kjente::default();
    for (name, value) in settings {
        match name.as_str() {
            "epoke" => valg.topologi.epoke = i32::try_from(number(name, value)?)?,
            "gravstein.dager" => valg.topologi.gravstein_dager = number(name, value)?,
            "graphql.introspeksjon" => valg.api.introspeksjon = truth(name, value)?,
            "kjente.opphav" => kjente.opphav = names(name, value)?,
            "kjente.statuser" => kjente.statuser = names(name, value)?,
            "kjente.stillingstyper" => kjente.stillingstyper = names(name, value)?,
            "kjente.tiltakstyper" => kjente.tiltakstyper = names(name, value)?,
            "maks-rader" => valg.api.maks_rader = usize::try_from(number(name, value)?)?,
            "partisjoner.avtale" => valg.topologi.partisjoner_avtale = number(name, value)?,
            "partisjoner.projeksjon" => valg.topologi.partisjoner_projeksjon = number(name, value)?,
            _ => valg.api.tillat_ufullstendig = truth(name, value)?,
        }
    }
    valg.topologi.kjente = Arc::new(kjente);
    Ok(valg)
}

fn number(name: &str, value: &Value) -> Result<u32, BoxError> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0);
    number.ok_or_else(|| format!("setting {name} is {value}, expected a positive number").into())
}

fn truth(name: &str, value: &Value) -> Result<bool, BoxError> {
    value.as_bool().ok_or_else(|| format!("setting {name} is {value}, expected true or false").into())
}

fn names<T: Wirenavn>(name: &str, value: &Value) -> Result<Vec<(Box<str>, T)>, BoxError> {
    let expected = format!("expected an object of wire names, each with the {} it stands for", T::LISTE);
    let Some(fields) = value.as_object() else { return Err(format!("setting {name} is {value}, {expected}").into()) };
    let mut names = Vec::new();
    for (wire, stands_for) in fields {
        let member = stands_for.as_str().and_then(|known| T::fra_wire(known).or_else(|| T::fra_api(known)));
        names.push((wire.as_str().into(), member.ok_or_else(|| format!("setting {name} has {wire} as {stands_for}, {expected}"))?));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;
    use straum_schemas::datadeling::{AvtaleStatus, Tiltakstype};

    use super::*;

    fn settings(value: Value) -> Settings {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn every_setting_is_taken() {
        let valg = valg(&settings(json!({
            "epoke": 2, "gravstein.dager": 3, "graphql.introspeksjon": true, "kjente.opphav": {"X": "ARENA"}, "kjente.statuser": {"I_GANG": "GJENNOMFORES"},
            "kjente.stillingstyper": {}, "kjente.tiltakstyper": {"NY_TYPE": "ARBEIDSTRENING"}, "maks-rader": 4, "partisjoner.avtale": 5,
            "partisjoner.projeksjon": 6, "tillat-ufullstendig": true,
        })))
        .unwrap();
        let (topologi, api) = (valg.topologi, valg.api);
        assert_eq!((topologi.epoke, topologi.gravstein_dager, topologi.partisjoner_avtale, topologi.partisjoner_projeksjon), (2, 3, 5, 6));
        assert_eq!((api.introspeksjon, api.tillat_ufullstendig, api.maks_rader), (true, true, 4));
        assert_eq!(topologi.kjente.tiltakstyper, [("NY_TYPE".into(), Tiltakstype::Arbeidstrening)]);
        assert_eq!(topologi.kjente.statuser, [("I_GANG".into(), AvtaleStatus::Gjennomfores)]);
        assert_eq!((topologi.kjente.opphav.len(), topologi.kjente.stillingstyper.len()), (1, 0));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (value, says) in [
            (json!({"epok": 1}), "no setting \"epok\", expected one of [epoke, "),
            (json!({"maks-rader": 0}), "setting maks-rader is 0, expected a positive number"),
            (json!({"tillat-ufullstendig": "ja"}), "setting tillat-ufullstendig is \"ja\", expected true or false"),
            (json!({"kjente.tiltakstyper": []}), "setting kjente.tiltakstyper is [], expected an object"),
            (json!({"kjente.tiltakstyper": {"NY_TYPE": "NYERE"}}), "has NY_TYPE as \"NYERE\", expected an object"),
        ] {
            let error = valg(&settings(value)).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
