//! The two processors of the description language.

use std::time::Duration;

use straum::BoxError;
use straum::processor::{
    FixedKeyProcessor, FixedKeyProcessorContext, KeyValue, Processor, ProcessorContext, Punctuation, PunctuationType, Record, StoreHandle,
};

use super::fixture::Text;
use super::functions::{number, spell};

/// `process`: counts per key, marks each record with its number, sometimes forwards twice, and reports.
pub(crate) struct Tally {
    pub(crate) handle: StoreHandle<String, String>,
    pub(crate) stream_every: Option<u64>,
    pub(crate) wall_every: Option<u64>,
    pub(crate) store: Option<KeyValue<String, String>>,
    pub(crate) by_stream_time: Option<Punctuation>,
}

impl Tally {
    fn store(&self) -> &KeyValue<String, String> {
        self.store.as_ref().unwrap()
    }

    fn rows(&self) -> Result<Vec<(String, i64)>, BoxError> {
        let mut rows = Vec::new();
        for row in self.store().all()? {
            let (key, value, _) = row?;
            rows.push((key, number(Some(&value))));
        }
        Ok(rows)
    }
}

type Texts = Record<Text, Text>;

impl Processor<Text, Text, Text, Text> for Tally {
    fn init(&mut self, context: &ProcessorContext<'_, Text, Text>) -> Result<(), BoxError> {
        self.store = Some(context.store(&self.handle)?);
        let schedule = |every: Option<u64>, kind| every.and_then(|every| context.schedule(Duration::from_millis(every), kind));
        self.by_stream_time = schedule(self.stream_every, PunctuationType::StreamTime);
        schedule(self.wall_every, PunctuationType::WallClockTime);
        Ok(())
    }

    fn process(&mut self, record: Texts, context: &ProcessorContext<'_, Text, Text>) -> Result<(), BoxError> {
        let Some(key) = record.key.clone() else {
            let value = format!("{}#0", spell(record.value.as_deref()));
            return Ok(context.forward(record.with_value(Some(value)))?);
        };
        let count = number(self.store().get(&key)?.as_deref()) + 1;
        let Some(value) = record.value.clone() else {
            self.store().delete(&key)?;
            return Ok(context.forward(record.with_value(Some(format!("gone#{count}"))))?);
        };
        self.store().put(&key, count.to_string())?;
        let mut marked = record.clone().with_value(Some(format!("{value}#{count}")));
        marked.headers.add("tally", Some(count.to_string().as_bytes()));
        context.forward(marked)?;
        if count % 3 == 0 {
            let timestamp = record.timestamp + 5;
            context.forward(record.with_value(Some("every-third".to_owned())).with_timestamp(timestamp))?;
        }
        Ok(())
    }

    fn punctuate(&mut self, timestamp: i64, punctuation: Punctuation, context: &ProcessorContext<'_, Text, Text>) -> Result<(), BoxError> {
        let rows = self.rows()?;
        let report = format!("{}:{}", rows.len(), rows.iter().map(|(_, count)| count).sum::<i64>());
        let stream_time = self.by_stream_time == Some(punctuation);
        let key = if stream_time { "stream-time" } else { "wall-clock" };
        context.forward(Record::new(Some(key.to_owned()), Some(report), timestamp))?;
        if let (true, Some((smallest, _))) = (stream_time, rows.first()) {
            self.store().delete(smallest)?;
        }
        Ok(())
    }
}

/// `process_values`: numbers the values of each key.
pub(crate) struct Numbering {
    pub(crate) handle: StoreHandle<String, String>,
    pub(crate) store: Option<KeyValue<String, String>>,
}

impl FixedKeyProcessor<Text, Text, Text> for Numbering {
    fn init(&mut self, context: &FixedKeyProcessorContext<'_, Text, Text>) -> Result<(), BoxError> {
        self.store = Some(context.store(&self.handle)?);
        Ok(())
    }

    fn process(&mut self, key: &Text, value: Text, context: &FixedKeyProcessorContext<'_, Text, Text>) -> Result<(), BoxError> {
        let value = spell(value.as_deref());
        let Some(key) = key else { return Ok(context.forward_value(Some(format!("{value}@0")))?) };
        let store = self.store.as_ref().unwrap();
        let count = number(store.get(key)?.as_deref()) + 1;
        store.put(key, count.to_string())?;
        Ok(context.forward_value(Some(format!("{value}@{count}")))?)
    }
}
