//! The checks, each a judgement of what the cluster has said.

use std::collections::BTreeMap;
use std::fmt;

use straum::group::wire::{HeartbeatSubtopology, HeartbeatTopology, MetadataTopic};
use straum::group::{AclOperation, ErrorCode, Inspection};
use straum::log::kafka::GroupStanding;

/// What it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    Warn,
    Fail,
}

impl Verdict {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// A check: what was found, and what to do about it.
pub(super) struct Check {
    pub(super) verdict: Verdict,
    pub(super) what: &'static str,
    pub(super) found: String,
    pub(super) remedy: Option<String>,
}

impl Check {
    fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, what, found: found.into(), remedy: None }
    }

    fn warn(what: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warn, what, found: found.into(), remedy: Some(remedy.into()) }
    }

    pub(super) fn fail(what: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, what, found: found.into(), remedy: Some(remedy.into()) }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:<5} {:<10} {}", self.verdict.word(), self.what, self.found)?;
        self.remedy.iter().try_for_each(|remedy| write!(formatter, "\n{:17}-> {remedy}", ""))
    }
}

/// The application that is to run.
pub(super) struct Patient {
    pub(super) id: String,
    pub(super) servers: String,
    pub(super) described: HeartbeatTopology,
    pub(super) sinks: Vec<String>,
    pub(super) globals: Vec<String>,
    pub(super) dead_letters: Option<String>,
}

impl Patient {
    fn sources(&self) -> Vec<String> {
        let mut sources: Vec<String> = self.described.subtopologies.iter().flat_map(|sub| sub.source_topics.clone()).collect();
        sources.extend(self.globals.clone());
        sources.sort();
        sources.dedup();
        sources
    }

    fn internal(&self) -> Vec<(String, bool)> {
        let of = |sub: &HeartbeatSubtopology| {
            let repartition = sub.repartition_source_topics.iter().map(|topic| (topic.name.clone(), true));
            repartition.chain(sub.state_changelog_topics.iter().map(|topic| (topic.name.clone(), false))).collect::<Vec<_>>()
        };
        self.described.subtopologies.iter().flat_map(of).collect()
    }

    /// All topics it has to do with.
    pub(super) fn topics(&self) -> Vec<String> {
        let internal = self.internal().into_iter().map(|(name, _)| name);
        let mut topics: Vec<String> = self.sources().into_iter().chain(self.sinks.clone()).chain(self.dead_letters.clone()).chain(internal).collect();
        topics.sort();
        topics.dedup();
        topics
    }
}

/// All checks.
pub(super) fn all(patient: &Patient, inspection: &Inspection, standing: Option<&GroupStanding>) -> Vec<Check> {
    let mut checks = vec![Check::ok("brokers", format!("{} answers, {} in the cluster", patient.servers, inspection.brokers.len()))];
    checks.extend(features(inspection));
    checks.push(group(patient, inspection, standing));
    checks.extend(group_settings(inspection));
    let topics: BTreeMap<&str, &MetadataTopic> = inspection.topics.iter().filter_map(|topic| Some((topic.name.as_deref()?, topic))).collect();
    for source in patient.sources() {
        checks.push(declared(&topics, "source", &source, &[AclOperation::Read, AclOperation::Describe]));
    }
    for sink in &patient.sinks {
        checks.push(declared(&topics, "output", sink, &[AclOperation::Write, AclOperation::Describe]));
    }
    checks.extend(patient.dead_letters.iter().map(|topic| internal(&topics, "dead letter", topic, false)));
    checks.extend(patient.internal().iter().map(|(topic, purged)| internal(&topics, "internal", topic, *purged)));
    checks.extend(partitions(patient, &topics));
    checks
}

fn features(inspection: &Inspection) -> Vec<Check> {
    let level = |name: &str| inspection.features.iter().find(|feature| feature.name == name).map_or(0, |feature| feature.max_version_level);
    let streams = match (inspection.knows_streams_groups, level("streams.version")) {
        (false, _) => Check::fail(
            "version",
            "the broker does not do streams groups",
            "upgrade to Kafka 4.2 or later, with streams in group.coordinator.rebalance.protocols; or --config group.protocol=classic",
        ),
        (true, 0) => Check::fail("version", "streams.version is 0", "kafka-features upgrade --feature streams.version=1"),
        (true, level) => Check::ok("version", format!("streams.version is {level}")),
    };
    let transactions = match level("transaction.version") {
        2.. => Check::ok("version", "transaction.version is 2"),
        level => Check::warn(
            "version",
            format!("transaction.version is {level}"),
            "kafka-features upgrade --feature transaction.version=2: a producer that is cut off cannot leave a transaction hanging then",
        ),
    };
    vec![streams, transactions]
}

fn group(patient: &Patient, inspection: &Inspection, standing: Option<&GroupStanding>) -> Check {
    let id = &patient.id;
    let Some(group) = &inspection.group else {
        return Check::warn("group", format!("{id} cannot be asked about"), "see version above");
    };
    match ErrorCode::from_code(group.error_code) {
        None if !allows(group.authorized_operations, AclOperation::Read) => {
            Check::fail("group", format!("{id} may not be joined"), format!("grant READ on group {id}"))
        }
        None => Check::ok("group", format!("{id} is {} with {} members", group.group_state, group.members.len())),
        Some(ErrorCode::GroupIdNotFound) => match standing {
            Some(standing) if standing.members > 0 => Check::fail(
                "group",
                format!("{id} is a {} group with {} members", standing.protocol.name(), standing.members),
                "stop what uses it; straum adopt says whether its offsets and state can be gone on with",
            ),
            Some(_) => Check::ok("group", format!("{id} is empty and has no topology: the first start goes on at its offsets")),
            None => Check::ok("group", format!("{id} is not there yet; the first start makes it")),
        },
        Some(error) => Check::fail("group", format!("{id}: {error}"), error.reason()),
    }
}

fn group_settings(inspection: &Inspection) -> Vec<Check> {
    let settings = match &inspection.group_settings {
        Ok(settings) => settings,
        Err(code) => {
            let error = ErrorCode::from_code(*code).map_or_else(String::new, |error| error.to_string());
            return vec![Check::warn(
                "settings",
                format!("the group's are not shown: {error}"),
                "grant DESCRIBE_CONFIGS on the group, or ask who runs the cluster",
            )];
        }
    };
    let number = |name: &str| settings.get(name).and_then(|value| value.parse::<u64>().ok());
    let mut checks = Vec::new();
    match number("streams.session.timeout.ms").zip(number("streams.heartbeat.interval.ms")) {
        Some((session, heartbeat)) if session < heartbeat.saturating_mul(3) => checks.push(Check::warn(
            "settings",
            format!("streams.session.timeout.ms is {session}, less than three heartbeats of {heartbeat}"),
            "kafka-configs --alter --entity-type groups: streams.session.timeout.ms to at least three times streams.heartbeat.interval.ms",
        )),
        Some((session, heartbeat)) => checks.push(Check::ok("settings", format!("session time-out {session} ms, heartbeat every {heartbeat} ms"))),
        None => {}
    }
    match number("streams.num.standby.replicas") {
        Some(replicas) if replicas > 0 => {
            checks.push(Check::warn(
                "settings",
                format!("streams.num.standby.replicas is {replicas}"),
                "see the README on what standbys do here; 0 switches them off",
            ));
        }
        Some(_) | None => {}
    }
    checks
}

/// Whether an operation is allowed; taken for granted where the broker does not say.
fn allows(authorized: i32, operation: AclOperation) -> bool {
    authorized == i32::MIN || operation.is_in(authorized)
}

/// What a user may not do of what is needed.
fn refused(topic: &MetadataTopic, needed: &[AclOperation]) -> Vec<&'static str> {
    needed.iter().filter(|operation| !allows(topic.topic_authorized_operations, **operation)).map(|operation| operation.name()).collect()
}

/// A topic that is the user's to make.
fn declared(topics: &BTreeMap<&str, &MetadataTopic>, what: &'static str, name: &str, needed: &[AclOperation]) -> Check {
    let Some(topic) = topics.get(name) else { return Check::fail(what, format!("{name}: no answer"), "ask again") };
    match ErrorCode::from_code(topic.error_code) {
        Some(ErrorCode::UnknownTopicOrPartition) => {
            Check::fail(what, format!("{name} is missing"), format!("kafka-topics --create --topic {name} --partitions N"))
        }
        Some(error) => Check::fail(what, format!("{name}: {error}"), error.reason()),
        None => match refused(topic, needed).as_slice() {
            [] => Check::ok(what, format!("{name}, {} partitions", topic.partitions.len())),
            refused => Check::fail(what, format!("{name} may not be used"), format!("grant {} on topic {name}", refused.join(", "))),
        },
    }
}

/// A topic that is made when it is first needed.
fn internal(topics: &BTreeMap<&str, &MetadataTopic>, what: &'static str, name: &str, purged: bool) -> Check {
    let mut needed = vec![AclOperation::Read, AclOperation::Write, AclOperation::Describe];
    if purged {
        // What is processed of it is deleted.
        needed.push(AclOperation::Delete);
    }
    match topics.get(name).map(|topic| (topic, ErrorCode::from_code(topic.error_code))) {
        None | Some((_, Some(ErrorCode::UnknownTopicOrPartition))) => {
            Check::ok(what, format!("{name} is made at the first start (that needs CREATE)"))
        }
        Some((_, Some(error))) => Check::fail(what, format!("{name}: {error}"), error.reason()),
        Some((topic, None)) => match refused(topic, &needed).as_slice() {
            [] => Check::ok(what, format!("{name}, {} partitions", topic.partitions.len())),
            refused => Check::fail(what, format!("{name} may not be used"), format!("grant {} on topic {name}", refused.join(", "))),
        },
    }
}

/// Topics that are joined have equally many partitions, and internal topics as many as they must.
fn partitions(patient: &Patient, topics: &BTreeMap<&str, &MetadataTopic>) -> Vec<Check> {
    let count = |name: &str| topics.get(name).filter(|topic| topic.error_code == 0).map(|topic| topic.partitions.len());
    let mut checks = Vec::new();
    for sub in &patient.described.subtopologies {
        for group in &sub.copartition_groups {
            let sources = group.source_topics.iter().filter_map(|index| sub.source_topics.get(usize::try_from(*index).ok()?));
            let counts: Vec<(&String, usize)> = sources.filter_map(|topic| Some((topic, count(topic)?))).collect();
            let differs = counts.iter().any(|(_, other)| counts.first().is_some_and(|(_, first)| first != other));
            if differs {
                let found: Vec<String> = counts.iter().map(|(topic, count)| format!("{topic} has {count}")).collect();
                checks.push(Check::fail(
                    "partitions",
                    format!("topics that are joined differ: {}", found.join(", ")),
                    "make them anew with equally many partitions",
                ));
            }
        }
        for topic in &sub.repartition_source_topics {
            let wanted = usize::try_from(topic.partitions).unwrap_or_default();
            if let Some(found) = count(&topic.name).filter(|found| wanted > 0 && *found != wanted) {
                checks.push(wrong(&topic.name, found, wanted));
            }
        }
        let sources = sub.source_topics.iter().chain(sub.repartition_source_topics.iter().map(|topic| &topic.name));
        let tasks = sources.map(|topic| count(topic)).collect::<Option<Vec<_>>>().and_then(|counts| counts.into_iter().max());
        for topic in &sub.state_changelog_topics {
            if let Some((found, tasks)) = count(&topic.name).zip(tasks).filter(|(found, tasks)| found != tasks) {
                checks.push(wrong(&topic.name, found, tasks));
            }
        }
    }
    if checks.is_empty() {
        checks.push(Check::ok("partitions", "those of all topics that are there fit"));
    }
    checks
}

fn wrong(topic: &str, found: usize, wanted: usize) -> Check {
    Check::fail(
        "partitions",
        format!("{topic} has {found}, expected {wanted}"),
        "straum reset makes it anew, or give the sources the partitions they had",
    )
}
