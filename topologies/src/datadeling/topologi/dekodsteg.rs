//! Step `dekod-reduser` and the re-drive source: the way in to the table of agreements.
//!
//! The only places where a source's bytes are held. They keep nothing but counts.

use bytes::Bytes;
use straum::BoxError;
use straum::processor::{KeyValue, Processor, ProcessorContext, Record, StoreHandle};
use straum_schemas::datadeling::{AvtaleId, DodtBrev, Innmelding, Kilde, Mikros};

use crate::datadeling::dekod::{Dekoder, Kildepost};
use crate::datadeling::tellere::{Teller, Tellere, Telling};

/// A partition's sums of counts.
pub(super) struct Tellelager {
    lager: KeyValue<String, Telling>,
    nokkel: String,
}

impl Tellelager {
    pub(super) fn apne<K, V>(handtak: &StoreHandle<String, Telling>, context: &ProcessorContext<'_, K, V>) -> Result<Self, BoxError> {
        Ok(Self { lager: context.store(handtak)?, nokkel: context.task_id().partition.to_string() })
    }

    pub(super) fn tell(&self, tellere: Tellere) -> Result<(), BoxError> {
        if tellere == Tellere::default() {
            return Ok(());
        }
        let mut telling = self.lager.get(&self.nokkel)?.unwrap_or_default();
        telling.legg_til(tellere);
        Ok(self.lager.put(&self.nokkel, telling)?)
    }
}

/// What the decoder sends on.
pub(super) enum Dekodut {
    /// To the table.
    Innmelding(Innmelding),
    /// To the dead letters.
    Brev(Box<DodtBrev>),
}

impl Dekodut {
    pub(super) const fn er_brev(&self) -> bool {
        matches!(self, Self::Brev(_))
    }

    pub(super) fn brev(self) -> Option<DodtBrev> {
        match self {
            Self::Brev(brev) => Some(*brev),
            Self::Innmelding(_) => None,
        }
    }

    pub(super) fn innmelding(self) -> Option<Innmelding> {
        match self {
            Self::Innmelding(innmelding) => Some(innmelding),
            Self::Brev(_) => None,
        }
    }
}

/// Decodes source records.
pub(super) struct Dekodsteg {
    dekoder: Dekoder,
    epoke: i32,
    tellere: StoreHandle<String, Telling>,
    tellelager: Option<Tellelager>,
}

impl Dekodsteg {
    pub(super) const fn ny(dekoder: Dekoder, epoke: i32, tellere: StoreHandle<String, Telling>) -> Self {
        Self { dekoder, epoke, tellere, tellelager: None }
    }
}

impl Processor<Option<Bytes>, Option<Bytes>, Option<String>, Dekodut> for Dekodsteg {
    fn init(&mut self, context: &ProcessorContext<'_, Option<String>, Dekodut>) -> Result<(), BoxError> {
        self.tellelager = Some(Tellelager::apne(&self.tellere, context)?);
        Ok(())
    }

    fn process(
        &mut self,
        record: Record<Option<Bytes>, Option<Bytes>>,
        context: &ProcessorContext<'_, Option<String>, Dekodut>,
    ) -> Result<(), BoxError> {
        let Some(lest) = context.record_metadata() else { return Err("a source record has no coordinates".into()) };
        let kilde = Kilde { partisjon: i32::try_from(lest.partition.partition)?, offset: lest.offset, epoke: self.epoke };
        let dekodet = self.dekoder.dekod(&Kildepost {
            nokkel: record.key.as_deref(),
            verdi: record.value.as_deref(),
            kilde,
            mottatt: Mikros(context.current_system_time().saturating_mul(1000)),
            tidligere_forsok: 0,
        });
        if let Some(tellelager) = &self.tellelager {
            tellelager.tell(dekodet.tellere)?;
        }
        let timestamp = dekodet.utfall.sist_endret().map_or(record.timestamp, |tid| tid.millisekunder().max(0));
        // Headers are the producer's and could say anything: they go no further.
        let (innmeldt, brev) = dekodet.utfall.del_opp();
        if let Some(brev) = brev {
            let nokkel = brev.nokkel().map(|avtale_id| avtale_id.to_string());
            // Written now, whenever the agreement was changed: the topic keeps it for so long from then on.
            context.forward(Record::new(nokkel, Dekodut::Brev(brev), context.current_system_time()))?;
        }
        if let Some((avtale_id, innmelding)) = innmeldt {
            context.forward(Record::new(Some(avtale_id.to_string()), Dekodut::Innmelding(innmelding), timestamp))?;
        }
        Ok(())
    }
}

/// Takes in re-driven dead letters: messages to the table, with the coordinates they were first read at. What is not one is
/// counted and left behind.
pub(super) struct Gjenkjoringssteg {
    tellere: StoreHandle<String, Telling>,
    tellelager: Option<Tellelager>,
}

impl Gjenkjoringssteg {
    pub(super) const fn ny(tellere: StoreHandle<String, Telling>) -> Self {
        Self { tellere, tellelager: None }
    }
}

impl Processor<Option<Bytes>, Option<Bytes>, String, Innmelding> for Gjenkjoringssteg {
    fn init(&mut self, context: &ProcessorContext<'_, String, Innmelding>) -> Result<(), BoxError> {
        self.tellelager = Some(Tellelager::apne(&self.tellere, context)?);
        Ok(())
    }

    fn process(&mut self, record: Record<Option<Bytes>, Option<Bytes>>, context: &ProcessorContext<'_, String, Innmelding>) -> Result<(), BoxError> {
        let lest = record.value.as_deref().and_then(|verdi| serde_json::from_slice::<Innmelding>(verdi).ok());
        let avtale_id = lest.as_ref().and_then(|innmelding| avtale_id(innmelding, record.key.as_deref()));
        match lest.zip(avtale_id) {
            Some((innmelding, avtale_id)) => Ok(context.forward(Record::new(avtale_id.to_string(), innmelding, record.timestamp))?),
            None => match &self.tellelager {
                Some(tellelager) => tellelager.tell(Tellere::default().med(Teller::UgyldigGjenkjoring)),
                None => Ok(()),
            },
        }
    }
}

/// The agreement a message is about; the record key only says so where the message does not.
fn avtale_id(innmelding: &Innmelding, nokkel: Option<&[u8]>) -> Option<AvtaleId> {
    match innmelding {
        Innmelding::Redusert(redusert) => Some(redusert.avtale_id),
        Innmelding::Parkert(parkert) => Some(parkert.redusert.avtale_id),
        Innmelding::Mangel(mangel) => Some(mangel.avtale_id),
        Innmelding::Gravferd(_) => AvtaleId::les(std::str::from_utf8(nokkel?).ok()?),
    }
}
