//! An application on three brokers, as in production: the leaders of its partitions, the coordinators of its group and its
//! transactions, and the cluster's own controller are all killed under its hands, and every record counts once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use straum::runtime::State;
use support::application::{Application, TASKS, told, wait, wait_for_tasks};
use support::broker::Broker;
use support::waiting::wait_until;

const BROKERS: usize = 3;
/// Records at a time. Each time is some milliseconds, and as long as a partition is without a leader.
const FEW: usize = 10;

/// Ends the input when the test ends, however that does.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

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

    let mut counts = application.counts();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _over = Over(&over);
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                application.send(FEW);
            }
        });
        for number in 1..=BROKERS {
            cluster.kill_node(number);
            let killed = Instant::now();
            let sent = application.sent();
            println!("broker {number}: input goes on after {:?}", killed.elapsed());
            let silent = || format!("goes on without broker {number}: {}", instances.each_ref().map(told).join("; "));
            wait_until(silent, || counts.so_far() > sent);
            println!("broker {number}: the application goes on after {:?}", killed.elapsed());
            cluster.start_node_again(number);
            wait(&format!("broker {number} to have everything"), || topics(&cluster, &["--under-replicated-partitions"]).is_empty());
            println!("broker {number}: back after {:?}", killed.elapsed());
        }
    });
    application.every_record_counts_once();
    wait_for_tasks("they share the tasks", &instances.each_ref().map(|instance| (instance, TASKS / 2)));
    assert!(instances.iter().all(|instance| instance.streams.state() == State::Running && instance.streams.errors().is_empty()));
}
