//! `straum demo`: real messages through datadeling, what the stores then hold, and five questions answered.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};
use straum::log::embedded::{EmbeddedLog, EmbeddedOptions};
use straum::log::{LogError, LogErrorKind};
use straum::runtime::{Clock, ConfigSources, State};
use straum_topologies::registry::{Settings, Stores};

use super::application::{Application, Opening};
use super::data_folder::{DataFolder, Occupant};
use super::operator::{self, NewRecord, Request};
use super::questions::QUESTIONS;
use super::{Common, Outcome, output, run, store, topic};

/// 751 messages of the system's test environment; `data/README.md` says where they are from.
const MESSAGES: &[u8] = include_bytes!("../../data/avtale-hendelser.jsonl");

/// When the demonstration is: a day after the last message, so that its answers do not depend on the day it is run.
const TODAY: &str = "2026-02-03T12:00:00+01:00";

/// Where messages that cannot be used are told of.
const DEAD_LETTERS: &str = "tiltak-datadeling.dlq";

/// How long nothing has to happen until everything has.
const QUIET: Duration = Duration::from_millis(300);

#[derive(Args)]
#[command(
    after_help = "The messages are read once: a second start restores its stores and shows that it did.\nWhere: --data DIR, else the cache folder of the user."
)]
pub(super) struct Demo {
    /// Keep on and answer queries over HTTP, until Ctrl-C
    #[arg(long)]
    serve: bool,
    /// The port of the query API on the loopback interface; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Forget what an earlier demonstration left, and begin anew
    #[arg(long)]
    fresh: bool,
}

/// A clock that starts at a fixed time and runs on.
struct DemoClock {
    start: i64,
    since: Instant,
}

impl Clock for DemoClock {
    fn now(&self) -> i64 {
        self.start + i64::try_from(self.since.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

impl Demo {
    pub(super) fn run(&self, common: &Common) -> Result<Outcome> {
        let folder = DataFolder::new(Some(&common.data.clone().unwrap_or_else(folder)));
        if self.fresh && folder.exists() {
            forget(&folder)?;
        }
        let today: Timestamp = TODAY.parse()?;
        let say = |text: &str| if common.json { Ok(()) } else { output::line(text) };
        say(&format!(
            "\nStraum: 751 messages about agreements on labour-market measures (tiltak), kept as queryable state in {}",
            folder.path().display()
        ))?;
        let clock = Arc::new(DemoClock { start: today.as_millisecond(), since: Instant::now() });
        let started = Instant::now();
        let occupant = Occupant { topology: "datadeling".to_owned(), settings: Settings::new(), brokers: None };
        let open = || {
            Application::open(
                &folder,
                &occupant,
                Opening { clock: Arc::clone(&clock) as Arc<dyn Clock>, settings: ConfigSources::new(), paused: false },
            )
        };
        let application = match open() {
            // Of the user's own folders none is deleted unasked.
            Err(error) if common.data.is_none() && is_of_another_version(&error) => {
                say("\nWhat another version of Straum left there cannot be read: begins anew.")?;
                forget(&folder)?;
                open()?
            }
            opened => opened?,
        };
        let application = Arc::new(application);
        let opened = started.elapsed();
        let before = application.progress()?.1;
        let feeding = Instant::now();
        if before == 0 {
            feed(&application)?;
        }
        process(&application)?;
        let processed = processed(&application);
        let (read, all) = application.progress()?;
        let restored = restored(&application);
        if before == 0 {
            say(&format!("\nRead {read} messages in {:.1} s.", feeding.elapsed().as_secs_f64()))?;
        } else {
            say(&format!("\nStarted again in {:.2} s: the stores were restored, {processed} of the {all} messages re-read.", opened.as_secs_f64()))?;
            say(&restored_table(&restored))?;
        }
        let dead = dead_letters(&application)?;
        if dead > 0 {
            let letters = if dead == 1 { "1 of them could not be used and is a dead letter" } else { "some could not be used and are dead letters" };
            say(&format!("{letters}, where it lies and why: {} topic tail {DEAD_LETTERS} --data {}", program(), folder.path().display()))?;
        }
        say("\nThe topology, from its topics through its stores:")?;
        say(&outline(&application))?;
        let stores = operator::of_stores(&application, &Request::Stores)?;
        say("\nWhat the state stores hold:")?;
        say(&store::stores(&stores))?;
        let answers = self.answers(common, &application, &say)?;
        if common.json {
            let restored: Vec<Value> = restored
                .iter()
                .map(|(task, store, from, records)| json!({ "task": task, "store": store, "from": from, "records": records }))
                .collect();
            output::json(&json!({
                "today": today.to_string(), "messages": all, "read": if before == 0 { read } else { 0 }, "processedNow": processed,
                "restored": restored, "stores": stores, "answers": answers,
            }))?;
        }
        if self.serve {
            return self.keep_on(application, &folder, common);
        }
        application.close()?;
        say(&further(&folder, common))?;
        Ok(Outcome::Done)
    }

    fn answers(&self, common: &Common, application: &Application, say: &dyn Fn(&str) -> Result<()>) -> Result<Vec<Value>> {
        let service = application.service.as_ref().context("datadeling has no query API")?;
        let personal = application.definition.personal();
        say(&format!("\nFive questions, asked of the query API (today is taken to be {}):", TODAY.get(..10).unwrap_or(TODAY)))?;
        let mut answers = Vec::new();
        for (number, question) in (1..).zip(&QUESTIONS) {
            let answer =
                service.call(Stores::Application(&application.streams.read()), &question.call(application.clock.now(), application.behind()?));
            let answer = question.read(&answer).map_err(|problem| anyhow::anyhow!("question {number} was not answered: {problem}"))?;
            let mask = |text: String| if common.show_personal { text } else { personal.mask_text(&text) };
            let rows = (question.rows)(&answer).into_iter().map(|row| row.into_iter().map(mask).collect());
            say(&format!("\n{number}. {}", mask(question.words.to_owned())))?;
            say(&output::table(question.header, rows))?;
            answers.push(json!({ "question": mask(question.words.to_owned()), "answer": output::masked(common, personal, answer) }));
        }
        Ok(answers)
    }

    fn keep_on(&self, application: Arc<Application>, folder: &DataFolder, common: &Common) -> Result<Outcome> {
        run::serve(application, folder, (Ipv4Addr::LOCALHOST.into(), self.port), |address| {
            if common.json {
                return output::json(&json!({ "listens": format!("http://{address}"), "graphql": format!("http://{address}/graphql") }));
            }
            let query = r#"{"query":"{ antall(dato: \"2021-06-15\") { tiltakstype antallAvtaler antallPersoner } }"}"#;
            output::line(format_args!(
                "\nThe query API listens until Ctrl-C. Try:\n\n  curl -s http://{address}/graphql -H 'content-type: application/json' \\\n    -d '{query}'\n\nand, in another terminal:\n{}",
                commands(&program(), folder)
            ))
        })?;
        Ok(Outcome::Done)
    }
}

/// Where the demonstration keeps its data unless it is told.
fn folder() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute()).or_else(home);
    cache.unwrap_or_else(std::env::temp_dir).join("straum").join("demo")
}

fn is_of_another_version(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<LogError>().is_some_and(|error| error.kind() == LogErrorKind::Version))
}

fn forget(folder: &DataFolder) -> Result<()> {
    // While another process works there nothing is taken from it. A log that cannot be read may go.
    let held = match EmbeddedLog::open(folder.log(), EmbeddedOptions::new()) {
        Err(error) if error.kind() == LogErrorKind::Locked => return Err(error).context("it is not forgotten while it is in use"),
        opened => opened,
    };
    // Only what straum made: the folder may be anyone's.
    for path in [folder.log(), folder.state()] {
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot delete {}", path.display()));
            }
            _ => {}
        }
    }
    drop(held);
    Ok(())
}

fn feed(application: &Application) -> Result<()> {
    let topic = application.definition.topics().first().context("the topology reads no topic")?.name;
    let lines = MESSAGES.strip_suffix(b"\n").unwrap_or(MESSAGES).split(|byte| *byte == b'\n');
    let records = lines.map(|line| NewRecord { key: Value::Null, value: topic::raw(line), timestamp: None, headers: Default::default() });
    let request = Request::Produce { topic: topic.to_owned(), partition: Some(0), records: records.collect() };
    operator::of_topics(&application.place, |_| true, None, &request, application.clock.now())?;
    Ok(())
}

/// Waits until all is processed and through every repartition topic, and shows how far it is.
fn process(application: &Application) -> Result<()> {
    let bar = output::progress("messages", application.progress()?.1);
    let mut quiet_since: Option<Instant> = None;
    loop {
        let (done, all) = application.progress()?;
        bar.set_position(done);
        let streams = application.streams.read();
        if streams.state() != State::Running {
            bail!("the application is {:?}, expected Running: {}", streams.state(), streams.errors().join("; "));
        }
        if let Some((task, failing)) = streams.tasks().iter().find_map(|task| Some((task.id, task.failing.clone()?))) {
            bail!("task {task} fails: {failing}");
        }
        if done < all || !streams.is_idle() {
            quiet_since = None;
        } else if quiet_since.get_or_insert_with(Instant::now).elapsed() >= QUIET {
            bar.finish_and_clear();
            return Ok(());
        }
        drop(streams);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Records that were processed since the start from the topics that the topology reads from others.
fn processed(application: &Application) -> u64 {
    let first = application.topology.subtopologies().first().map(|subtopology| subtopology.id);
    let tasks = application.streams.read().tasks();
    tasks.iter().filter(|task| Some(task.id.subtopology) == first).map(|task| task.processed).sum()
}

/// How many dead letters there are.
fn dead_letters(application: &Application) -> Result<u64> {
    let topics = application.place.topics(|topic| topic == DEAD_LETTERS)?;
    let dead = topics.as_array().into_iter().flatten().find(|topic| topic["topic"] == DEAD_LETTERS);
    Ok(dead.and_then(|topic| topic["records"].as_u64()).unwrap_or(0))
}

/// By task and store: the first offset read and how many records; stores that were empty and stayed so are left out.
fn restored(application: &Application) -> Vec<(String, String, i64, u64)> {
    let restored = application.streams.read().restored();
    let there = restored.into_iter().filter(|(_, restored)| restored.end > 0);
    there.map(|(task, restored)| (task.to_string(), restored.store.to_string(), restored.from.unwrap_or(0), restored.records)).collect()
}

/// A row a store, its tasks together.
fn restored_table(restored: &[(String, String, i64, u64)]) -> String {
    let mut stores: Vec<(&str, Vec<String>, u64)> = Vec::new();
    for (task, store, from, records) in restored {
        let at = format!("{task}: {from}");
        match stores.iter_mut().find(|(known, ..)| known == store) {
            Some((_, places, sum)) => {
                places.push(at);
                *sum += records;
            }
            None => stores.push((store, vec![at], *records)),
        }
    }
    output::table(
        &["store", "records restored", "task: from changelog offset"],
        stores.into_iter().map(|(store, places, records)| vec![store.to_owned(), records.to_string(), places.join(", ")]),
    )
}

/// The topology in short: a line a sub-topology, its sources, stores and sinks.
fn outline(application: &Application) -> String {
    let (mut lines, mut current) = (Vec::new(), (Vec::new(), Vec::new(), Vec::new()));
    let inside = |line: &str, open: &str| Some(line.split_once(open)?.1.split_once([']', ')'])?.0.to_owned());
    let mut close = |current: &mut (Vec<String>, Vec<String>, Vec<String>)| {
        let (sources, stores, sinks): (Vec<String>, Vec<String>, Vec<String>) = std::mem::take(current);
        if !sources.is_empty() {
            lines.push(vec![sources.join("\n"), stores.join("\n"), sinks.join("\n")]);
        }
    };
    for line in application.topology.describe().lines() {
        let kind = line.trim_start();
        if kind.starts_with("Sub-topology") {
            close(&mut current);
        } else if kind.starts_with("Source:") {
            current.0.extend(inside(line, "topics: ["));
        } else if kind.starts_with("Processor:") {
            current.1.extend(inside(line, "stores: [").filter(|stores| !stores.is_empty() && !current.1.contains(stores)));
        } else if kind.starts_with("Sink:") {
            current.2.extend(inside(line, "topic: "));
        }
    }
    close(&mut current);
    output::table(&["reads", "keeps", "writes"], lines)
}

fn commands(straum: &str, folder: &DataFolder) -> String {
    let data = folder.path().display();
    [
        format!("  {straum} store list --data {data}"),
        format!("  {straum} store range antall --data {data}"),
        format!("  {straum} topic tail tiltak-datadeling.statusendring --data {data}"),
        format!("  {straum} describe datadeling --format mermaid"),
    ]
    .join("\n")
}

/// What to type for this program: its path, from the current folder if it is below that. It need not be on the `PATH`.
fn program() -> String {
    let Ok(path) = std::env::current_exe() else { return "straum".to_owned() };
    let folder = std::env::current_dir().ok();
    match folder.and_then(|folder| path.strip_prefix(folder).ok()) {
        Some(below) => Path::new(".").join(below).display().to_string(),
        None => path.display().to_string(),
    }
}

fn further(folder: &DataFolder, common: &Common) -> String {
    let data = common.data.as_ref().map(|data| format!(" --data {}", data.display())).unwrap_or_default();
    let straum = &program();
    format!(
        "\nGo on by yourself:\n\n  {straum} demo{data}           again: it restores instead of reading again\n  {straum} demo{data} --serve   the query API stays, with a curl that works\n  {straum} demo{data} --fresh   from the beginning\n{}\n  {straum} check topologies/scenarios/count/words.yaml{}",
        commands(straum, folder),
        if common.show_personal { "" } else { "\n\nPersonal ids are masked; --show-personal shows them." }
    )
}
