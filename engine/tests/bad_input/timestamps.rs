//! A negative timestamp is refused where it comes in, by a name: a commit that failed for it would tell nobody whose it was.

use std::sync::Arc;

use straum::dsl::{Consumed, Produced, StreamsBuilder};
use straum::processor::{KeyValueStoreBuilder, Processor, ProcessorContext, Record, RowFormat, StoreHandle};
use straum::runtime::dead_letter;
use straum::serde::{I64, Utf8};
use straum::testing::TopologyTestDriver;
use straum::{BoxError, Topology};

use super::{dead_letters, header, write};

/// Copies what it has seen from a store without timestamps to one with them, as it is told to.
struct Copies {
    seen: StoreHandle<String, i64>,
    copied: StoreHandle<String, i64>,
}

impl Processor<String, i64, String, i64> for Copies {
    fn process(&mut self, record: Record<String, i64>, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
        let (seen, copied) = (context.store(&self.seen)?, context.store(&self.copied)?);
        seen.put(&record.key, record.value)?;
        for row in seen.all()? {
            let (key, value, timestamp) = row?;
            match record.key.as_str() {
                "put" => copied.put_at(&key, value, timestamp)?,
                "forward" => context.forward(Record::new(key, value, timestamp))?,
                _ => copied.put(&key, value)?,
            }
        }
        Ok(context.forward(record)?)
    }
}

fn copies() -> Topology {
    let builder = StreamsBuilder::new();
    let store = |name: &str| KeyValueStoreBuilder::new(name, Arc::new(Utf8), Arc::new(I64));
    let seen = builder.add_state_store(store("seen").format(RowFormat::Plain));
    let copied = builder.add_state_store(store("copied").format(RowFormat::Timestamped));
    let supplier = move || Copies { seen: seen.clone(), copied: copied.clone() };
    let copies = builder.stream("in", Consumed::with(Utf8, I64)).process("copies", supplier, &["seen", "copied"]);
    copies.filter(|_, _| true).to("out", Produced::with(Utf8, I64));
    builder.build().unwrap()
}

#[test]
fn a_negative_timestamp_is_refused_where_it_comes_in() {
    let mut driver = TopologyTestDriver::new(&copies()).unwrap();
    for key in ["put", "forward", "fine"] {
        write(&mut driver, "in", key.as_bytes(), &1_i64.to_be_bytes());
    }
    driver.commit().unwrap();
    let letters = dead_letters(&driver);
    let messages: Vec<&str> = letters.iter().map(|letter| header(letter, dead_letter::MESSAGE)).collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    for message in &messages {
        assert!(message.contains("timestamp -1 is negative") && message.contains("in task 0_0 in node copies"), "{message}");
    }
    assert!(messages[0].contains("copied"), "the store is named: {}", messages[0]);
    assert_eq!(driver.failing().count(), 0);
    assert_eq!(driver.output("out", Utf8, I64).committed().read_pairs(&driver).unwrap(), [("fine".to_owned(), 1)]);
    assert_eq!(driver.store::<String, i64>("copied").unwrap().all().unwrap().len(), 1);
}
