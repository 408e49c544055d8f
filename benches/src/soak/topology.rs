//! The topology of the soak: what arrives is counted twice, before and after a repartition topic, and told twice, at once
//! and by a punctuator.
//!
//! Values are numbers as text: input is `n`, the running number of its key; an output is `count n`; a total is `tick count`.

use std::sync::Arc;
use std::time::Duration;

use straum::dsl::{Consumed, Grouped, Materialized, Produced, StreamsBuilder};
use straum::processor::{KeyValueStoreBuilder, Processor, ProcessorContext, Punctuation, PunctuationType, Record, StoreHandle};
use straum::serde::Utf8;
use straum::{BoxError, Error, Topology};

/// Input: each key has a partition of its own choice.
pub const IN: &str = "in";
/// Every count of every key.
pub const OUT: &str = "out";
/// What the punctuator writes.
pub const TOTALS: &str = "totals";
/// The count of each key and the number it last saw.
pub const COUNTS: &str = "counts";
/// What has arrived in each partition, and what was told of it.
pub const ARRIVALS: &str = "arrivals";
/// The partitions of every topic.
pub const PARTITIONS: u32 = 12;
/// The tasks of both sub-topologies.
pub const TASKS: usize = 2 * PARTITIONS as usize;

/// How often the punctuator tells what has arrived.
const TELL: Duration = Duration::from_millis(100);

/// Totals go by this sign in front of the key.
const TOTAL: char = '#';

/// A topic of an application.
#[must_use]
pub fn topic(application: &str, name: &str) -> String {
    format!("{application}-{name}")
}

/// Two numbers as text; those of a row that is not there are 0.
///
/// # Errors
/// When `text` is something else.
pub fn pair(text: &str) -> Result<(u64, u64), BoxError> {
    let (first, second) = text.split_once(' ').ok_or_else(|| format!("{text:?} is not two numbers"))?;
    Ok((first.parse()?, second.parse()?))
}

/// Arrivals of one partition: a row `count tick told`.
#[derive(Clone, Copy, Default)]
struct Arrivals {
    count: u64,
    tick: u64,
    told: u64,
}

impl Arrivals {
    fn read(row: Option<&str>) -> Result<Self, BoxError> {
        let Some(row) = row else { return Ok(Self::default()) };
        let mut numbers = row.split(' ').map(str::parse);
        let mut number = || numbers.next().unwrap_or(Ok(0));
        Ok(Self { count: number()?, tick: number()?, told: number()? })
    }

    fn row(self) -> String {
        format!("{} {} {}", self.count, self.tick, self.told)
    }
}

/// Counts what arrives in a partition, and tells the count when it has grown.
struct Tell(StoreHandle<String, String>);

impl Processor<String, String, String, String> for Tell {
    fn init(&mut self, context: &ProcessorContext<'_, String, String>) -> Result<(), BoxError> {
        context.schedule(TELL, PunctuationType::WallClockTime);
        Ok(())
    }

    fn process(&mut self, record: Record<String, String>, context: &ProcessorContext<'_, String, String>) -> Result<(), BoxError> {
        let rows = context.store(&self.0)?;
        let partition = context.record_metadata().ok_or("a record comes from somewhere")?.partition.partition.to_string();
        let mut arrivals = Arrivals::read(rows.get(&partition)?.as_deref())?;
        arrivals.count += 1;
        rows.put(&partition, arrivals.row())?;
        Ok(context.forward(record)?)
    }

    fn punctuate(&mut self, now: i64, _: Punctuation, context: &ProcessorContext<'_, String, String>) -> Result<(), BoxError> {
        let rows = context.store(&self.0)?;
        let all = rows.all()?.collect::<Result<Vec<_>, _>>()?;
        for (partition, row, _) in all {
            let mut arrivals = Arrivals::read(Some(&row))?;
            if arrivals.told < arrivals.count {
                (arrivals.tick, arrivals.told) = (arrivals.tick + 1, arrivals.count);
                rows.put_at(&partition, arrivals.row(), now)?;
                context.forward(Record::new(format!("{TOTAL}{partition}"), format!("{} {}", arrivals.tick, arrivals.count), now))?;
            }
        }
        Ok(())
    }
}

/// The topology of `application`.
///
/// # Errors
/// None that a test would not show.
pub fn topology(application: &str) -> Result<Topology, Error> {
    let builder = StreamsBuilder::new();
    let arrivals = builder.add_state_store(KeyValueStoreBuilder::new(ARRIVALS, Arc::new(Utf8), Arc::new(Utf8)));
    let told = builder.stream(topic(application, IN), Consumed::with(Utf8, Utf8)).process("tell", move || Tell(arrivals.clone()), &[ARRIVALS]);
    told.clone().filter(|key, _| key.starts_with(TOTAL)).to(topic(application, TOTALS), Produced::with(Utf8, Utf8));
    let count = |_: &String, number: String, counted: String| -> Result<String, BoxError> {
        let before = if counted.is_empty() { 0 } else { pair(&counted)?.0 };
        Ok(format!("{} {number}", before + 1))
    };
    told.filter_not(|key, _| key.starts_with(TOTAL))
        .group_by("by-key", |key, _| key.clone(), Grouped::with(Utf8, Utf8))
        .aggregate(String::new, count, Materialized::with(COUNTS, Utf8).with_caching_disabled())
        .to_stream()
        .to(topic(application, OUT), Produced::with(Utf8, Utf8));
    builder.build()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use straum::testing::TopologyTestDriver;

    use super::*;

    #[test]
    fn arrivals_are_counted_by_key_and_told_when_they_have_grown() -> Result<(), Error> {
        let mut driver = TopologyTestDriver::new(&topology("app")?)?;
        driver.input("app-in", Utf8, Utf8).pipe_values(&mut driver, [("a", "1"), ("b", "1"), ("a", "2")])?;
        driver.advance_wall_clock(TELL)?;
        driver.advance_wall_clock(Duration::from_secs(1))?;
        driver.settle()?;
        let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Vec<_>>();
        assert_eq!(driver.output("app-out", Utf8, Utf8).read_pairs(&driver)?, pairs(&[("a", "1 1"), ("b", "1 1"), ("a", "2 2")]));
        assert_eq!(driver.output("app-totals", Utf8, Utf8).read_pairs(&driver)?, pairs(&[("#0", "1 3")]));
        Ok(())
    }
}
