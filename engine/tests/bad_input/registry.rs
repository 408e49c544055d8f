//! A schema registry that is away: no record's fault, so nothing is left out for it, whatever the handlers say.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use straum::Topology;
use straum::dsl::{Consumed, Grouped, Materialized, Produced, StreamsBuilder};
use straum::runtime::{Decision, ExceptionHandler, ExceptionHandlers};
use straum::serde::avro::{FileSchemaRegistry, RegisteredSchema, SchemaId, SchemaRegistry, SchemaRegistryError, SchemaRegistryErrorKind};
use straum::serde::{Avro, I64, Part, SerdeContext, SerdeExt, Utf8};
use straum::testing::{DriverBuilder, TopologyTestDriver};

use super::{Order, dead_letters, write};

const AVRO: &str = r#"{"type":"record","name":"Order","fields":[{"name":"customer","type":"string"},{"name":"amount","type":"long"}]}"#;

/// A registry that does not answer while it is away.
struct Flaky {
    files: FileSchemaRegistry,
    away: AtomicBool,
}

impl Flaky {
    fn open(folder: &tempfile::TempDir, away: bool) -> Arc<Self> {
        Arc::new(Self { files: FileSchemaRegistry::open(folder.path()).unwrap(), away: AtomicBool::new(away) })
    }

    fn come_back(&self) {
        self.away.store(false, Ordering::SeqCst);
    }

    fn ask<T>(&self, answer: impl FnOnce(&FileSchemaRegistry) -> Result<T, SchemaRegistryError>) -> Result<T, SchemaRegistryError> {
        match self.away.load(Ordering::SeqCst) {
            true => Err(SchemaRegistryError::new(SchemaRegistryErrorKind::Unavailable, "GET /", "no answer")),
            false => answer(&self.files),
        }
    }
}

impl SchemaRegistry for Flaky {
    fn schema(&self, id: SchemaId) -> Result<Arc<str>, SchemaRegistryError> {
        self.ask(|files| files.schema(id))
    }

    fn find(&self, subject: &str, schema: &str) -> Result<SchemaId, SchemaRegistryError> {
        self.ask(|files| files.find(subject, schema))
    }

    fn register(&self, subject: &str, schema: &str) -> Result<SchemaId, SchemaRegistryError> {
        self.ask(|files| files.register(subject, schema))
    }

    fn latest(&self, subject: &str) -> Result<RegisteredSchema, SchemaRegistryError> {
        self.ask(|files| files.latest(subject))
    }
}

fn order(amount: i64) -> Order {
    Order { customer: "Kari".to_owned(), amount }
}

/// From orders in Avro to amounts.
fn reads(registry: &Arc<Flaky>) -> Topology {
    let builder = StreamsBuilder::new();
    let orders = Consumed::with(Utf8, Avro::<Order>::new(Arc::<Flaky>::clone(registry), AVRO).unwrap());
    builder.stream("in", orders).map_values(|order| order.amount).to("out", Produced::with(Utf8, I64));
    builder.build().unwrap()
}

/// From amounts to orders in Avro, at a sink.
fn writes(registry: &Arc<Flaky>) -> Topology {
    let builder = StreamsBuilder::new();
    let orders = Produced::with(Utf8, Avro::<Order>::new(Arc::<Flaky>::clone(registry), AVRO).unwrap());
    builder.stream("in", Consumed::with(Utf8, I64)).map_values(order).to("out", orders);
    builder.build().unwrap()
}

/// From amounts to orders in Avro, in a table whose cache forwards them at the commit.
fn keeps(registry: &Arc<Flaky>) -> Topology {
    let builder = StreamsBuilder::new();
    let avro = || Avro::<Order>::new(Arc::<Flaky>::clone(registry), AVRO).unwrap();
    let grouped = builder.stream("in", Consumed::with(Utf8, I64)).group_by_key("by-key", Grouped::with(Utf8, I64));
    let summed = grouped.aggregate(|| order(0), |_, amount, sum: Order| order(sum.amount + amount), Materialized::with("sums", avro()));
    summed.to_stream().to("out", Produced::with(Utf8, avro().nullable()));
    builder.build().unwrap()
}

/// Three records on a topology of each place, in the form it reads, and the amounts that it wrote.
struct Case {
    place: &'static str,
    topology: fn(&Arc<Flaky>) -> Topology,
    cache: usize,
    input: fn(&TopologyTestDriver, i64) -> Vec<u8>,
    output: fn(&TopologyTestDriver, &Arc<Flaky>) -> Vec<i64>,
}

fn long(_: &TopologyTestDriver, amount: i64) -> Vec<u8> {
    amount.to_be_bytes().to_vec()
}

fn orders_out(driver: &TopologyTestDriver, registry: &Arc<Flaky>) -> Vec<i64> {
    let serde = Avro::<Order>::new(Arc::<Flaky>::clone(registry), AVRO).unwrap();
    driver.output("out", Utf8, serde).committed().read(driver).unwrap().into_iter().map(|record| record.value.amount).collect()
}

fn amounts_out(driver: &TopologyTestDriver, _: &Arc<Flaky>) -> Vec<i64> {
    driver.output("out", Utf8, I64).committed().read(driver).unwrap().into_iter().map(|record| record.value).collect()
}

/// The schema is the first of a registry of its own: the framing needs no registry that is away.
fn framed(_: &TopologyTestDriver, amount: i64) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let serde = Avro::<Order>::new(Flaky::open(&folder, false), AVRO).unwrap();
    serde.to_bytes(&order(amount), SerdeContext::new("in", Part::Value)).unwrap().unwrap()
}

fn cases() -> [Case; 4] {
    [
        Case { place: "source", topology: reads, cache: 0, input: framed, output: amounts_out },
        Case { place: "sink", topology: writes, cache: 0, input: long, output: orders_out },
        Case { place: "table", topology: keeps, cache: 0, input: long, output: orders_out },
        Case { place: "cached table", topology: keeps, cache: 1 << 20, input: long, output: orders_out },
    ]
}

fn driver(topology: &Topology, cache: usize) -> DriverBuilder {
    TopologyTestDriver::builder(topology).configure(move |config| {
        config.statestore_cache_max_bytes = cache;
        config.retry_backoff = Duration::from_millis(100);
        config.retry_backoff_max = Duration::from_secs(1);
        config.task_timeout = Duration::from_secs(60);
    })
}

/// Starts with a registry that is away, knowing the schema, and gives it three records.
fn started(case: &Case, builder: impl FnOnce(DriverBuilder) -> DriverBuilder) -> (TopologyTestDriver, Arc<Flaky>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let known = Avro::<Order>::new(Flaky::open(&folder, false), AVRO).unwrap();
    known.prepare(SerdeContext::new("in", Part::Value)).unwrap();
    let registry = Flaky::open(&folder, true);
    let mut driver = builder(driver(&(case.topology)(&registry), case.cache)).start().unwrap();
    for (key, amount) in [("a", 1), ("b", 2), ("c", 3)] {
        let value = (case.input)(&driver, amount);
        write(&mut driver, "in", key.as_bytes(), &value);
    }
    driver.commit().unwrap();
    (driver, registry, folder)
}

#[test]
fn it_is_waited_for_and_nothing_is_left_out() {
    for case in cases() {
        let (mut driver, registry, _folder) = started(&case, |builder| builder);
        for _ in 0..20 {
            driver.advance_wall_clock(Duration::from_secs(1)).unwrap();
            driver.commit().unwrap();
        }
        assert_eq!(dead_letters(&driver).len(), 0, "{}: a letter for what is no record's fault", case.place);
        let reason = driver.failing().map(|(_, error)| error.to_string()).collect::<String>();
        assert!(reason.contains("schema registry") && reason.contains("no answer"), "{}: {reason}", case.place);
        registry.come_back();
        driver.advance_wall_clock(Duration::from_secs(1)).unwrap();
        driver.settle().unwrap();
        assert_eq!((case.output)(&driver, &registry), [1, 2, 3], "{}", case.place);
        assert_eq!((dead_letters(&driver).len(), driver.failing().count()), (0, 0), "{}", case.place);
    }
}

#[test]
fn no_handler_is_asked_about_it() {
    for case in cases() {
        let asked = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&asked);
        let fails: ExceptionHandler = Arc::new(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            Decision::Fail
        });
        let handlers = ExceptionHandlers { deserialization: Arc::clone(&fails), processing: Arc::clone(&fails), production: fails };
        let (mut driver, registry, _folder) = started(&case, |builder| builder.handlers(handlers));
        registry.come_back();
        driver.advance_wall_clock(Duration::from_secs(1)).unwrap();
        driver.settle().unwrap();
        assert_eq!((case.output)(&driver, &registry), [1, 2, 3], "{}", case.place);
        assert_eq!(asked.load(Ordering::SeqCst), 0, "{}", case.place);
    }
}

#[test]
fn the_task_pauses_after_its_time_out_and_goes_on_when_it_is_resumed() {
    for case in cases() {
        let (mut driver, registry, _folder) = started(&case, |builder| builder);
        for _ in 0..70 {
            driver.advance_wall_clock(Duration::from_secs(1)).unwrap();
            driver.commit().unwrap();
        }
        registry.come_back();
        driver.advance_wall_clock(Duration::from_secs(3600)).unwrap();
        driver.settle().unwrap();
        assert_eq!(driver.failing().count(), 1, "{}: it stands until it is resumed", case.place);
        assert_eq!((case.output)(&driver, &registry), [0; 0], "{}", case.place);
        driver.resume().unwrap();
        driver.settle().unwrap();
        assert_eq!((case.output)(&driver, &registry), [1, 2, 3], "{}", case.place);
        assert_eq!(dead_letters(&driver).len(), 0, "{}", case.place);
    }
}
