//! An application on three brokers, as in production: the leaders of its partitions, the coordinators of its group and its
//! transactions, and the cluster's own controller are all killed under its hands, and every record counts once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

mod support;

use std::cell::Cell;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use straum::runtime::State;
use support::application::{Application, TASKS, wait, wait_for_tasks};
use support::broker::Broker;
use support::waiting::{state_of, wait_until};

const BROKERS: usize = 3;
/// Records at a time.
const FEW: usize = 20;
/// Between two times, which the input spends listening for its end.
const PAUSE: Duration = Duration::from_millis(100);

fn topics(cluster: &Broker, which: &[&str]) -> String {
    cluster.tool("TopicCommand", &[&["--bootstrap-server", "{bootstrap}", "--describe"], which].concat())
}

#[test]
fn every_record_counts_once_while_each_broker_in_turn_is_killed_and_back() {
    let cluster = Broker::start_cluster("cluster", BROKERS);
    let application = Application::new(&cluster, "turns");
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let instances = folders.each_ref().map(|folder| application.start(folder.path()));
    application.send(FEW);
    wait_for_tasks("they share the tasks", &instances.each_ref().map(|instance| (instance, TASKS / 2)));
    application.every_record_counts_once();
    let replicated = topics(&cluster, &[]);
    let topic_lines: Vec<&str> = replicated.lines().filter(|line| line.contains("ReplicationFactor")).collect();
    assert!(topic_lines.len() >= 6, "its four topics, and Kafka's offsets and transactions: {replicated}");
    assert!(topic_lines.iter().all(|line| line.contains("ReplicationFactor: 3") && line.contains("min.insync.replicas=2")), "{replicated}");

    let states = || instances.each_ref().map(|instance| state_of(&instance.streams)).join("\n");
    let mut counts = application.counts();
    std::thread::scope(|scope| {
        // The input ends with this, however the test ends.
        let (_going, over) = channel::<()>();
        let input = &application;
        scope.spawn(move || {
            while over.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                input.send(FEW);
            }
        });
        for number in 1..=BROKERS {
            cluster.kill_node(number);
            let killed = Instant::now();
            let sent = application.sent();
            wait_until(|| format!("to go on without broker {number}: {}", states()), || counts.so_far() > sent);
            println!("broker {number}: the application goes on after {:?}", killed.elapsed());
            cluster.start_node_again(number);
            println!("broker {number}: it is up after {:?}", killed.elapsed());
            wait(&format!("broker {number} to have everything"), || topics(&cluster, &["--under-replicated-partitions"]).is_empty());
            println!("broker {number}: back after {:?}", killed.elapsed());
        }
    });
    let sent = application.sent();
    println!("{sent} records");
    let come = Cell::new(0);
    wait_until(
        || format!("for {sent} counts, {} have come: {}", come.get(), states()),
        || {
            come.set(counts.so_far());
            come.get() >= sent
        },
    );
    application.every_record_counts_once();
    wait_for_tasks("they share the tasks", &instances.each_ref().map(|instance| (instance, TASKS / 2)));
    assert!(instances.iter().all(|instance| instance.streams.state() == State::Running && instance.streams.errors().is_empty()));
}
