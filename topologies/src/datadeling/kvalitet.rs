//! Quality of what the owner sends: steps that should not happen. Only counted; the message is applied in any case.

use straum_schemas::datadeling::{AvtaleRad, AvtaleStatus, nfc};

use super::tellere::{Teller, Tellere};

/// What to count when `ny` replaces `gammel`.
#[must_use]
pub fn vurder(gammel: &AvtaleRad, ny: &AvtaleRad) -> Tellere {
    let mut tellere = Tellere::default();
    if ny.versjon.saturating_sub(gammel.versjon) > 1 {
        tellere.tell(Teller::Versjonshull);
    }
    if ny.avtale_status != gammel.avtale_status {
        let hendelse = nfc(ny.siste_hendelse_type.as_deref().unwrap_or_default());
        if hendelse == "PATCH" {
            tellere.tell(Teller::PatchEndretStatus);
        } else if ulovlig_steg(gammel.avtale_status, ny.avtale_status, &hendelse) {
            tellere.tell(Teller::UlovligStatussteg);
        }
    }
    tellere
}

/// Whether a reported status may not follow another by this kind of event. The statuses are not the same.
fn ulovlig_steg(fra: AvtaleStatus, til: AvtaleStatus, hendelse: &str) -> bool {
    use AvtaleStatus::{Annullert, Avbrutt, Avsluttet, Gjennomfores, KlarForOppstart, ManglerGodkjenning, Paabegynt};
    match (fra, til) {
        (Annullert, _) | (KlarForOppstart | Gjennomfores | Avsluttet, Paabegynt | ManglerGodkjenning) => {
            !matches!(hendelse, "ENDRET_AV_ARENA" | "GJENOPPRETTET" | "LÅST_OPP")
        }
        (Avsluttet, KlarForOppstart | Gjennomfores) => !hendelse.starts_with("AVTALE_FORLENGET"),
        (Avbrutt, Annullert) => false,
        (Avbrutt, _) => hendelse != "GJENOPPRETTET",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps() {
        use AvtaleStatus::{Annullert, Avbrutt, Avsluttet, Gjennomfores, KlarForOppstart, ManglerGodkjenning, Paabegynt};
        for (fra, til, hendelse, ulovlig) in [
            (Gjennomfores, ManglerGodkjenning, "ENDRET", true),
            (Gjennomfores, ManglerGodkjenning, "ENDRET_AV_ARENA", false),
            (KlarForOppstart, Paabegynt, "", true),
            (Avsluttet, Paabegynt, "GJENOPPRETTET", false),
            (Avsluttet, Paabegynt, "LÅST_OPP", false),
            (Avsluttet, Paabegynt, "AVTALE_FORLENGET", true),
            (Avsluttet, Gjennomfores, "ENDRET", true),
            (Avsluttet, Gjennomfores, "AVTALE_FORLENGET", false),
            (Avsluttet, KlarForOppstart, "AVTALE_FORLENGET_AV_ARENA", false),
            (Annullert, Paabegynt, "ENDRET", true),
            (Annullert, Gjennomfores, "ENDRET_AV_ARENA", false),
            (Avbrutt, Annullert, "ENDRET", false),
            (Avbrutt, Paabegynt, "ENDRET_AV_ARENA", true),
            (Avbrutt, Paabegynt, "GJENOPPRETTET", false),
            (Paabegynt, Gjennomfores, "ENDRET", false),
            (Gjennomfores, Avsluttet, "STATUSENDRING", false),
            (Gjennomfores, Annullert, "ANNULLERT", false),
        ] {
            assert_eq!(ulovlig_steg(fra, til, hendelse), ulovlig, "{fra} → {til} {hendelse}");
        }
    }
}
