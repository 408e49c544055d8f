//! Datadeling: decoding messages, and one more change of an employer, small and large.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use straum::log::embedded::{EmbeddedLog, EmbeddedOptions};
use straum::log::{HeaderView, Log, OutputBatch, ProducerOptions, TopicSpec, partitioner};
use straum::runtime::{Streams, StreamsConfig, StreamsOptions};
use straum::serde::{Cbor, RawBytes};
use straum_schemas::datadeling::{AvtaleId, AvtaleRad, BedriftNokkel, Delendring, Endring, Kilde, Mikros, Tilstand};
use straum_topologies::datadeling::dekod::{Dekoder, Kildepost, Utfall};
use straum_topologies::datadeling::generator::{Generator, Generert, Innstillinger};
use straum_topologies::datadeling::kjente::Kjente;
use straum_topologies::datadeling::rekkefolge::Lagring;
use straum_topologies::datadeling::{projeksjon, tid};
use straum_topologies::registry::{self, TopologyDefinition};

use crate::state::Task;

const MESSAGES: u64 = 10_000;

/// Of the source topic.
const PARTITIONS: u32 = 6;

fn messages() -> Vec<Generert> {
    Generator::ny(Innstillinger { meldinger: MESSAGES, ..Innstillinger::default() }).collect()
}

fn post(message: &Generert) -> Kildepost<'_> {
    let kilde = Kilde { partisjon: 0, offset: 0, epoke: 1 };
    Kildepost {
        nokkel: message.nokkel.as_deref().map(str::as_bytes),
        verdi: message.verdi.as_deref(),
        kilde,
        mottatt: Mikros(0),
        tidligere_forsok: 0,
    }
}

pub(crate) fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("datadeling");
    group.throughput(Throughput::Elements(MESSAGES));
    let (messages, decoder) = (messages(), Dekoder::ny("kilde", Arc::default()));
    group.bench_function("decode of a message", |bencher| {
        bencher.iter(|| messages.iter().for_each(|message| drop(black_box(decoder.dekod(&post(message))))));
    });
    group.finish();
}

fn a_row() -> AvtaleRad {
    let decoder = Dekoder::ny("kilde", Arc::default());
    let known = Kjente::default();
    let today = tid::oslodato(tid::les_instant("2025-01-15T12:00:00Z").unwrap());
    let row = |message: &Generert| match decoder.dekod(&post(message)).utfall {
        Utfall::Redusert(reduced) => known.rad(&reduced, today).ok().filter(|row| !row.bedrift_nr.is_empty()),
        _ => None,
    };
    messages().iter().find_map(row).unwrap()
}

fn state(template: &AvtaleRad, agreement: u32, version: i32) -> (AvtaleId, Tilstand) {
    let avtale_id = AvtaleId::les(&format!("{agreement:08x}-0000-4000-8000-000000000000")).unwrap();
    let row = AvtaleRad { avtale_id, versjon: version, ..template.clone() };
    (avtale_id, Tilstand { rad: Some(Arc::new(row)), mangel: None })
}

fn apply(task: &Task<Bytes, Tilstand>, employer: &str, part: Delendring) {
    let key = Bytes::from(BedriftNokkel::bytes(employer, part.avtale_id));
    let mut store = task.store.borrow_mut();
    let decided = projeksjon::bruk_del(store.peek(&key).unwrap().map(|(state, _)| state), part);
    match decided {
        Lagring::Uendret => {}
        Lagring::Skriv(state) => store.put(&key, Some(state), 1).unwrap(),
        Lagring::Slett => drop(store.delete(&key, 1).unwrap()),
    }
    drop(store);
    task.savepoint.advance();
}

/// The cost of a change must not grow with what the employer has.
pub(crate) fn large_employer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one more change of an employer with agreements");
    let template = a_row();
    for agreements in [500_u32, 50_000] {
        let folder = tempfile::tempdir().unwrap();
        let task: Task<Bytes, Tilstand> = Task::open(Some(folder.path()), Arc::new(RawBytes), Arc::new(Cbor::<Tilstand>::new()));
        for agreement in 0..agreements {
            let (avtale_id, ny) = state(&template, agreement, 1);
            projeksjon::etter_bedrift(&Endring { avtale_id, gammel: None, ny: Some(ny) }, |employer, part| apply(&task, employer, part));
            if agreement % 5_000 == 4_999 {
                task.commit();
            }
        }
        task.commit();
        task.state.flush().unwrap();
        // As many agreements change in either case, so that only the employer's size differs.
        let (step, mut number) = (agreements / 500, 0_u32);
        group.bench_function(BenchmarkId::from_parameter(agreements), |bencher| {
            bencher.iter(|| {
                number = number.wrapping_add(1);
                let agreement = number % 500 * step;
                let version = i32::try_from(number / 500 % 1000).unwrap() + 1;
                let (avtale_id, gammel) = state(&template, agreement, version);
                let (_, ny) = state(&template, agreement, version + 1);
                projeksjon::etter_bedrift(&Endring { avtale_id, gammel: Some(gammel), ny: Some(ny) }, |employer, part| apply(&task, employer, part));
                if number.is_multiple_of(500) {
                    task.commit();
                }
            });
        });
    }
    group.finish();
}

/// A log in a folder of its own that holds the messages, and its folder.
fn filled_log(definition: &dyn TopologyDefinition, messages: &[Generert]) -> (tempfile::TempDir, Arc<EmbeddedLog>) {
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(folder.path().join("log"), EmbeddedOptions::new()).unwrap();
    let source = definition.topics().first().unwrap().name;
    for topic in definition.topics() {
        let partitions = if topic.name == source { PARTITIONS } else { topic.partitions };
        let config = topic.config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        log.create_topic(&TopicSpec { name: topic.name.to_owned(), partitions, config }).unwrap();
    }
    let options = ProducerOptions { client_id: "feeder".to_owned(), transactional_id: None, transaction_timeout: Duration::from_secs(60) };
    let mut producer = log.producer(&options).unwrap();
    let mut batch = OutputBatch::new();
    for chunk in messages.chunks(1000) {
        let topic = batch.topic(&source.into());
        for message in chunk {
            let partition = partitioner::partition_for_key(message.nokkel.as_deref().unwrap_or_default().as_bytes(), PARTITIONS);
            batch.push(
                topic,
                partition,
                message.tidspunkt,
                message.nokkel.as_deref().map(str::as_bytes),
                message.verdi.as_deref(),
                HeaderView::new(&[]),
            );
        }
        producer.send(&batch).unwrap();
        batch.clear();
    }
    producer.flush().unwrap();
    (folder, Arc::new(log))
}

/// The whole application on a backlog: from its start until everything is in the stores and committed.
pub(crate) fn bootstrap(criterion: &mut Criterion) {
    const BACKLOG: u64 = 200_000;
    let mut group = criterion.benchmark_group("datadeling");
    group.throughput(Throughput::Elements(BACKLOG));
    let definition = registry::find("datadeling").unwrap();
    let messages: Vec<Generert> = Generator::ny(Innstillinger { meldinger: BACKLOG, ..Innstillinger::default() }).collect();
    group.bench_function("bootstrap, a message", |bencher| {
        bencher.iter_custom(|iterations| {
            let run = |_| {
                let (folder, log) = filled_log(&*definition, &messages);
                let mut config = StreamsConfig::new(definition.application_id());
                definition.configure(&mut config);
                config.state_dir = folder.path().join("state");
                config.num_stream_threads = 2;
                let topology = definition.build(&BTreeMap::new()).unwrap();
                let options = StreamsOptions::default().handlers(definition.handlers());
                let mut streams = Streams::new(&topology, config, log, options);
                let began = Instant::now();
                streams.start().unwrap();
                while !(streams.is_idle() && streams.tasks().iter().map(|task| task.processed).sum::<u64>() >= BACKLOG) {
                    assert!(streams.tasks().iter().all(|task| task.failing.is_none()), "{:?}", streams.tasks());
                    std::thread::sleep(Duration::from_millis(1));
                }
                let spent = began.elapsed();
                streams.close().unwrap();
                spent
            };
            (0..iterations).map(run).sum()
        });
    });
    group.finish();
}
