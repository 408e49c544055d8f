//! The steps after the table: parts of a change to their keys, and the stores kept by applying them.

use std::marker::PhantomData;

use straum::BoxError;
use straum::processor::{KeyValue, Processor, ProcessorContext, Record, StoreHandle};
use straum_schemas::datadeling::{AntallDelta, AntallRad, AvtaleNrEndring, AvtaleNrRad, BedriftNokkel, Delendring, Endring, PersonNokkel, Tilstand};

use crate::datadeling::rekkefolge::Lagring;
use crate::datadeling::{antall, projeksjon};

/// Sends the parts of a change under their keys.
type Del<V> = fn(&Endring, &mut dyn FnMut(String, V));

/// Steps `etter-person`, `etter-bedrift` and `etter-avtalenr`.
pub(super) struct Etter<V> {
    del: Del<V>,
    verdi: PhantomData<fn() -> V>,
}

impl<V> Etter<V> {
    pub(super) const fn ny(del: Del<V>) -> Self {
        Self { del, verdi: PhantomData }
    }
}

impl<V: 'static> Processor<String, Endring, String, V> for Etter<V> {
    fn process(&mut self, record: Record<String, Endring>, context: &ProcessorContext<'_, String, V>) -> Result<(), BoxError> {
        let mut utfall = Ok(());
        (self.del)(&record.value, &mut |nokkel, del| {
            if utfall.is_ok() {
                utfall = context.forward(Record::new(nokkel, del, record.timestamp));
            }
        });
        Ok(utfall?)
    }
}

fn lagre<V: Clone + 'static>(lager: &KeyValue<String, V>, nokkel: &String, lagring: Lagring<V>) -> Result<(), BoxError> {
    match lagring {
        Lagring::Uendret => {}
        Lagring::Skriv(verdi) => lager.put(nokkel, verdi)?,
        Lagring::Slett => drop(lager.delete(nokkel)?),
    }
    Ok(())
}

/// A step with one store.
macro_rules! steg {
    ($(#[$om:meta])* $navn:ident, $verdi:ty) => {
        $(#[$om])*
        pub(super) struct $navn {
            handtak: StoreHandle<String, $verdi>,
            lager: Option<KeyValue<String, $verdi>>,
        }

        impl $navn {
            pub(super) const fn ny(handtak: StoreHandle<String, $verdi>) -> Self {
                Self { handtak, lager: None }
            }
        }
    };
}

steg! {
    /// Store `person`, and what its changes add to the counts.
    Personsteg, Tilstand
}

impl Processor<String, Delendring, String, AntallDelta> for Personsteg {
    fn init(&mut self, context: &ProcessorContext<'_, String, AntallDelta>) -> Result<(), BoxError> {
        self.lager = Some(context.store(&self.handtak)?);
        Ok(())
    }

    fn process(&mut self, record: Record<String, Delendring>, context: &ProcessorContext<'_, String, AntallDelta>) -> Result<(), BoxError> {
        let Some(lager) = &self.lager else { return Ok(()) };
        let nokkel = PersonNokkel::tekst(&record.key, record.value.avtale_id);
        let lagret = lager.get(&nokkel)?;
        let lagring = projeksjon::bruk_del(lagret.as_ref(), record.value);
        let gammel = lagret.as_ref().and_then(|tilstand| tilstand.rad.as_deref());
        let ny_rad = match &lagring {
            Lagring::Uendret => return Ok(()),
            Lagring::Skriv(tilstand) => tilstand.rad.clone(),
            Lagring::Slett => None,
        };
        let ny = ny_rad.as_deref();
        let mut andre = Vec::new();
        if antall::trenger_andre(gammel, ny) {
            for rad in lager.prefix_scan(&PersonNokkel::prefiks(&record.key))? {
                let (annen, tilstand, _) = rad?;
                let rad = tilstand.rad.as_ref().filter(|rad| rad.paa_tiltak_idag && annen != nokkel);
                andre.extend(rad.map(|rad| rad.tiltakstype));
            }
        }
        lagre(lager, &nokkel, lagring)?;
        let dato = gammel.into_iter().chain(ny).map(|rad| rad.beregnet_dato).max();
        let Some(dato) = dato else { return Ok(()) };
        for (nokkel, delta) in antall::deltaer(gammel, ny, andre, dato).into_iter().flatten() {
            context.forward(Record::new(nokkel.to_string(), delta, record.timestamp))?;
        }
        Ok(())
    }
}

steg! {
    /// Store `bedrift`.
    Delsteg, Tilstand
}

impl Processor<String, Delendring, (), ()> for Delsteg {
    fn init(&mut self, context: &ProcessorContext<'_, (), ()>) -> Result<(), BoxError> {
        self.lager = Some(context.store(&self.handtak)?);
        Ok(())
    }

    fn process(&mut self, record: Record<String, Delendring>, _: &ProcessorContext<'_, (), ()>) -> Result<(), BoxError> {
        let Some(lager) = &self.lager else { return Ok(()) };
        let nokkel = BedriftNokkel::tekst(&record.key, record.value.avtale_id);
        let lagring = projeksjon::bruk_del(lager.get(&nokkel)?.as_ref(), record.value);
        lagre(lager, &nokkel, lagring)
    }
}

steg! {
    /// Store `avtalenr`.
    Avtalenrsteg, AvtaleNrRad
}

impl Processor<String, AvtaleNrEndring, (), ()> for Avtalenrsteg {
    fn init(&mut self, context: &ProcessorContext<'_, (), ()>) -> Result<(), BoxError> {
        self.lager = Some(context.store(&self.handtak)?);
        Ok(())
    }

    fn process(&mut self, record: Record<String, AvtaleNrEndring>, _: &ProcessorContext<'_, (), ()>) -> Result<(), BoxError> {
        let Some(lager) = &self.lager else { return Ok(()) };
        let lagring = projeksjon::bruk_avtalenr(lager.get(&record.key)?.as_ref(), record.value);
        lagre(lager, &record.key, lagring)
    }
}

steg! {
    /// Store `antall`.
    Antallsteg, AntallRad
}

impl Processor<String, AntallDelta, (), ()> for Antallsteg {
    fn init(&mut self, context: &ProcessorContext<'_, (), ()>) -> Result<(), BoxError> {
        self.lager = Some(context.store(&self.handtak)?);
        Ok(())
    }

    fn process(&mut self, record: Record<String, AntallDelta>, _: &ProcessorContext<'_, (), ()>) -> Result<(), BoxError> {
        let Some(lager) = &self.lager else { return Ok(()) };
        let rad = AntallRad::etter(lager.get(&record.key)?, &record.value);
        let lagring = if rad.er_null() { Lagring::Slett } else { Lagring::Skriv(rad) };
        lagre(lager, &record.key, lagring)
    }
}
