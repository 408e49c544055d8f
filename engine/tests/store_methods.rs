//! What a processor asks a key-value store beside `get` and `put`: over rows of the transaction, of the disk, and of both.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use straum::dsl::{Consumed, Produced, StreamsBuilder};
use straum::processor::{KeyValue, KeyValueStoreBuilder, Processor, ProcessorContext, Record, StoreHandle};
use straum::serde::{I64, Utf8};
use straum::testing::{TestRecord, TopologyTestDriver};
use straum::{BoxError, Topology};

/// Does what a record's value says, and answers with what the store said.
struct Clerk(StoreHandle<String, i64>);

fn row(key: &str, value: Option<i64>) -> (String, Option<i64>) {
    (key.to_owned(), value)
}

fn listed<E: std::error::Error + Send + Sync + 'static>(rows: impl Iterator<Item = Result<(String, i64, i64), E>>) -> Result<String, BoxError> {
    let rows: Result<Vec<String>, E> = rows.map(|row| row.map(|(key, value, timestamp)| format!("{key}={value}@{timestamp}"))).collect();
    Ok(rows?.join(" "))
}

impl Clerk {
    fn answer(store: &KeyValue<String, i64>, wish: &str) -> Result<String, BoxError> {
        let (from, to) = ("a2".to_owned(), "b1".to_owned());
        match wish {
            "put all" => store.put_all([row("a1", Some(1)), row("a2", Some(2)), row("b1", Some(3)), row("c", None)])?,
            "put all, some gone" => store.put_all([row("a2", None), row("b2", Some(4)), row("b1", Some(5))])?,
            "put all, and fail" => {
                store.put_all([row("a1", None), row("x", Some(9))])?;
                return Err("seeded".into());
            }
            "a1 if absent" => return Ok(format!("{:?}", store.put_if_absent(&"a1".to_owned(), 7)?)),
            "d if absent" => return Ok(format!("{:?}", store.put_if_absent(&"d".to_owned(), 8)?)),
            "reverse" => return listed(store.reverse_range(None, None)?),
            "reverse a2 to b1" => return listed(store.reverse_range(Some(&from), Some(&to))?),
            "reverse from a2" => return listed(store.reverse_range(Some(&from), None)?),
            "prefix a" => return listed(store.prefix_scan(b"a")?),
            "prefix of none" => return listed(store.prefix_scan(b"ab")?),
            other => return Err(format!("no such wish: {other}").into()),
        }
        Ok("done".to_owned())
    }
}

impl Processor<String, String, String, String> for Clerk {
    fn process(&mut self, record: Record<String, String>, context: &ProcessorContext<'_, String, String>) -> Result<(), BoxError> {
        let answer = Self::answer(&context.store(&self.0)?, &record.value)?;
        Ok(context.forward(Record::new(record.value, answer, record.timestamp))?)
    }
}

fn office() -> Topology {
    let builder = StreamsBuilder::new();
    let rows = builder.add_state_store(KeyValueStoreBuilder::new("rows", Arc::new(Utf8), Arc::new(I64)));
    let wishes = builder.stream("wishes", Consumed::with(Utf8, Utf8));
    wishes.process("clerk", move || Clerk(rows.clone()), &["rows"]).to("answers", Produced::with(Utf8, Utf8));
    builder.build().unwrap()
}

/// Each wish comes at the time of its place, which is the timestamp of what it writes; one that fails has no answer.
const WISHES: [(&str, Option<&str>); 13] = [
    ("put all", Some("done")),
    ("a1 if absent", Some("Some(1)")),
    ("d if absent", Some("None")),
    ("reverse", Some("d=8@2 b1=3@0 a2=2@0 a1=1@0")),
    ("reverse a2 to b1", Some("b1=3@0 a2=2@0")),
    ("put all, some gone", Some("done")),
    ("put all, and fail", None),
    ("d if absent", Some("Some(8)")),
    ("reverse", Some("d=8@2 b2=4@5 b1=5@5 a1=1@0")),
    ("reverse a2 to b1", Some("b1=5@5")),
    ("reverse from a2", Some("d=8@2 b2=4@5 b1=5@5")),
    ("prefix a", Some("a1=1@0")),
    ("prefix of none", Some("")),
];

#[test]
fn rows_of_the_transaction_and_of_the_disk_are_one() {
    // When what is written gets to the disk: at the end, after every second wish, after every wish and with a crash.
    for (commit_every, crash) in [(usize::MAX, false), (2, false), (1, false), (1, true)] {
        let mut driver = TopologyTestDriver::new(&office()).unwrap();
        let (wishes, mut answers) = (driver.input("wishes", Utf8, Utf8), driver.output("answers", Utf8, Utf8));
        for (time, (wish, expected)) in (0..).zip(WISHES) {
            wishes.pipe(&mut driver, &TestRecord::new("k".to_owned(), wish.to_owned(), time)).unwrap();
            let expected: Vec<_> = expected.map(|answer| (wish.to_owned(), answer.to_owned())).into_iter().collect();
            assert_eq!(answers.read_pairs(&driver).unwrap(), expected, "wish {time}, commit every {commit_every}, crash {crash}");
            if usize::try_from(time + 1).unwrap().is_multiple_of(commit_every) {
                driver.commit().unwrap();
            }
            if crash {
                driver.crash().unwrap();
            }
        }
    }
}
